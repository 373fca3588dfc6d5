"""What monitoring records of itself: the `Signals` ports of its subjects."""

from __future__ import annotations

from collections.abc import Iterable

from typing_extensions import override

from servicekit.instruments import Instruments
from servicekit.logs import logger
from services.monitoring import ingest, mesh, prometheus, windows

log = logger(__name__)


class IngestSignals(ingest.Signals):
    """Counts what comes in; logs senders that fall silent and come back."""

    def __init__(self, instruments: Instruments) -> None:
        self._received = instruments.counter("ingest_points_received_total")
        self._rejected = instruments.counter("ingest_points_rejected_total")
        self._senders = instruments.gauge("ingest_senders")

    @override
    def points_received(
        self, protocol: ingest.Protocol, accepted: int, refused: Iterable[ingest.Refused]
    ) -> None:
        received = self._received.labels(protocol=protocol.value)
        received.inc(accepted)
        for refusal in refused:
            received.inc(refusal.points)
            self._rejected.labels(protocol=protocol.value, reason=refusal.reason.value).inc(refusal.points)

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


class WindowsSignals(windows.Signals):
    """Shows how much is kept, and whether keeping it works."""

    def __init__(self, instruments: Instruments) -> None:
        self._series = instruments.gauge("windows_series")
        self._memory = instruments.gauge("windows_memory_bytes")
        self._rounds = instruments.counter("windows_rounds_total")
        self._is_failing = False

    def restored(self, found: windows.Restored) -> None:
        """A store was opened that an earlier process left."""
        log.info("windows_restored", blocks=found.blocks, samples=found.samples, damaged_files=found.damaged)

    @override
    def round_ended(self, occupancy: windows.Occupancy) -> None:
        """A round of keeping succeeded."""
        self._series.set(occupancy.series)
        self._memory.labels(form="plain").set(occupancy.head_bytes)
        self._memory.labels(form="compressed").set(occupancy.block_bytes)
        self._rounds.labels(outcome="kept").inc()
        if self._is_failing:
            log.info("windows_kept_again")
        self._is_failing = False

    @override
    def round_failed(self, error: OSError) -> None:
        """The disk did not take what was sampled."""
        self._rounds.labels(outcome="failed").inc()
        if not self._is_failing:
            log.error("windows_not_kept", reason=str(error))
        self._is_failing = True


class RecordedMetrics(windows.RecordedSignals):
    """Counts what the database will never have."""

    def __init__(self, instruments: Instruments) -> None:
        self._lost = instruments.counter("recorded_samples_lost_total")

    @override
    def recorded_samples_lost(self, samples: int) -> None:
        self._lost.inc(samples)


class QueryMetrics(prometheus.QuerySignals):
    """Measures evaluations."""

    def __init__(self, instruments: Instruments) -> None:
        self._durations = instruments.histogram("query_duration_seconds")

    @override
    def query_ended(self, outcome: str, seconds: float) -> None:
        self._durations.labels(outcome=outcome).observe(seconds)


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
