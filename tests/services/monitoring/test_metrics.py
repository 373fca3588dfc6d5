import itertools
from datetime import UTC, datetime

import pytest

from servicekit.instruments import Instruments
from services.monitoring.ingest import Protocol, Reason
from services.monitoring.mesh import Mesh, Node, NodeState
from services.monitoring.metrics import MeshSignals

NOON = datetime(2026, 11, 23, 12, tzinfo=UTC)


@pytest.fixture
def instruments() -> Instruments:
    return Instruments("monitoring")


def mesh(**states: NodeState) -> Mesh:
    return Mesh(tuple(Node(name, state, NOON) for name, state in states.items()), (), (), NOON)


def shown(instruments: Instruments, node: str) -> dict[str, float | None]:
    return {
        state: instruments.registry.get_sample_value("mesh_node_state", {"node": node, "state": state})
        for state in NodeState
    }


def test_a_node_shows_one_for_its_state_and_zero_for_the_others(instruments: Instruments) -> None:
    signals = MeshSignals(instruments)

    signals.mesh_changed(mesh(orders=NodeState.SERVING))
    signals.mesh_changed(mesh(orders=NodeState.UNKNOWN))

    assert shown(instruments, "orders") == {"SERVING": 0, "NOT_SERVING": 0, "UNKNOWN": 1}


def test_a_node_that_left_the_mesh_is_in_no_state(instruments: Instruments) -> None:
    signals = MeshSignals(instruments)

    signals.mesh_changed(mesh(orders=NodeState.SERVING, redis=NodeState.SERVING))
    signals.mesh_changed(mesh(orders=NodeState.SERVING))

    assert set(shown(instruments, "redis").values()) == {0}


def test_every_reason_for_a_refusal_is_declared(instruments: Instruments) -> None:
    rejected = instruments.counter("ingest_points_rejected_total")

    for protocol, reason in itertools.product(Protocol, Reason):
        rejected.labels(protocol=protocol.value, reason=reason.value).inc()

    assert all(
        instruments.registry.get_sample_value(
            "ingest_points_rejected_total", {"protocol": protocol, "reason": reason}
        )
        == 1
        for protocol, reason in itertools.product(Protocol, Reason)
    )
