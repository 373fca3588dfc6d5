"""What monitoring records of itself: the `Signals` ports of its subjects."""

from __future__ import annotations

from collections.abc import Iterable

from typing_extensions import override

from servicekit.instruments import Instruments
from servicekit.logs import logger
from services.monitoring import ingest, mesh

log = logger(__name__)


class IngestSignals(ingest.Signals):
    """Counts what comes in; logs senders that fall silent and come back."""

    def __init__(self, instruments: Instruments) -> None:
        self._received = instruments.counter("otlp_points_received_total")
        self._rejected = instruments.counter("otlp_points_rejected_total")
        self._senders = instruments.gauge("otlp_senders")

    @override
    def points_received(self, accepted: int, refused: Iterable[ingest.Refused]) -> None:
        self._received.inc(accepted)
        for refusal in refused:
            self._received.inc(refusal.points)
            self._rejected.labels(reason=refusal.reason.value).inc(refusal.points)

    @override
    def sender_fell_silent(self, sender: ingest.Sender) -> None:
        log.warning("sender_fell_silent", job=sender.job, instance=sender.instance)

    @override
    def sender_was_heard(self, sender: ingest.Sender) -> None:
        log.info("sender_was_heard", job=sender.job, instance=sender.instance)

    @override
    def senders(self, *, heard: int, silent: int) -> None:
        self._senders.labels(state="heard").set(heard)
        self._senders.labels(state="silent").set(silent)


class MeshSignals(mesh.Signals):
    """Shows the state of each node as a set of 0 and 1; logs transitions."""

    def __init__(self, instruments: Instruments) -> None:
        self._states = instruments.gauge("mesh_node_state")
        self._lost = instruments.counter("mesh_transitions_lost_total")
        self._shown: set[str] = set()

    @override
    def node_changed(self, transition: mesh.Transition, reason: str) -> None:
        log.info("mesh_node_changed", node=transition.node, state=transition.state, reason=reason)

    @override
    def mesh_changed(self, mesh: mesh.Mesh) -> None:
        states = {node.name: node.state for node in mesh.nodes}
        for name in sorted(self._shown | states.keys()):
            self._show(name, states.get(name))
        self._shown |= states.keys()

    @override
    def transition_lost(self, transition: mesh.Transition) -> None:
        self._lost.inc()
        log.warning("mesh_transition_lost", node=transition.node, state=transition.state)

    def _show(self, name: str, state: mesh.NodeState | None) -> None:
        """All zero for a node that is in the mesh no longer."""
        for each in mesh.NodeState:
            self._states.labels(node=name, state=each.value).set(each is state)
