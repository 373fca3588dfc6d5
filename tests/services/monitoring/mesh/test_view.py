from datetime import timedelta

import pytest
from typing_extensions import override

from servicekit.clock import ManualClock
from services.monitoring.mesh import History, Mesh, MeshView, NodeState, Signals, Transition
from services.monitoring.store.memory import MemoryTransitions

UP, DOWN, UNKNOWN = NodeState.SERVING, NodeState.NOT_SERVING, NodeState.UNKNOWN


class RecordedSignals(Signals):
    def __init__(self) -> None:
        self.changes: list[tuple[str, NodeState, str]] = []
        self.meshes: list[Mesh] = []
        self.lost: list[Transition] = []

    @override
    def node_changed(self, transition: Transition, reason: str) -> None:
        self.changes.append((transition.node, transition.state, reason))

    @override
    def mesh_changed(self, mesh: Mesh) -> None:
        self.meshes.append(mesh)

    @override
    def transition_lost(self, transition: Transition) -> None:
        self.lost.append(transition)


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock()


@pytest.fixture
def store() -> MemoryTransitions:
    return MemoryTransitions()


@pytest.fixture
def signals() -> RecordedSignals:
    return RecordedSignals()


@pytest.fixture
def history(store: MemoryTransitions, signals: RecordedSignals) -> History:
    return History(store, signals)


@pytest.fixture
def view(clock: ManualClock, history: History, signals: RecordedSignals) -> MeshView:
    return MeshView(["auth", "orders"], clock, history, signals)


def states(view: MeshView) -> dict[str, NodeState]:
    return {node.name: node.state for node in view.now().nodes}


async def test_at_first_every_service_is_unknown(view: MeshView) -> None:
    assert states(view) == {"auth": UNKNOWN, "orders": UNKNOWN}
    assert view.now().root_causes == ()


async def test_a_service_that_falls_silent_keeps_its_place_and_its_needs(view: MeshView) -> None:
    view.hear("auth", {"": UP, "dependency/redis": UP})

    view.lose("auth", "cannot be reached")
    view.lose("auth", "did not answer within 2 s")

    assert states(view) == {"auth": UNKNOWN, "orders": UNKNOWN, "redis": UNKNOWN}
    assert view.now().nodes[0].reason == "did not answer within 2 s"


async def test_hearing_the_same_again_moves_nothing_but_the_time_of_the_mesh(
    view: MeshView, clock: ManualClock, signals: RecordedSignals
) -> None:
    view.hear("auth", {"": UP})
    heard_at = clock.now()
    changes = list(signals.changes)
    clock.advance(1)

    view.hear("auth", {"": UP})

    assert view.now().as_of == heard_at + timedelta(seconds=1)
    assert view.now().nodes[0].since == heard_at
    assert signals.changes == changes


async def test_each_change_of_state_becomes_history_once(
    view: MeshView, clock: ManualClock, history: History, store: MemoryTransitions
) -> None:
    view.hear("auth", {"": UP})
    up_at = clock.now()
    clock.advance(1)
    view.hear("auth", {"": UP, "startup": UP})
    view.lose("auth", "cannot be reached")

    await history.write()

    assert await store.history("auth", 10) == [
        Transition("auth", UNKNOWN, up_at + timedelta(seconds=1)),
        Transition("auth", UP, up_at),
    ]


async def test_a_thing_that_nobody_needs_any_more_leaves_the_mesh(view: MeshView) -> None:
    view.hear("auth", {"": UP, "dependency/redis": UP})

    view.hear("auth", {"": UP})

    assert states(view) == {"auth": UP, "orders": UNKNOWN}
