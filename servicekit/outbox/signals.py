"""What is counted of the outbox, and the silence for whoever does not count."""

from typing import Literal, Protocol

from typing_extensions import override

from servicekit.instruments import Instruments
from servicekit.outbox.jobs import Depth

Outcome = Literal["finished", "retried", "buried", "lease_lost"]


class Signals(Protocol):
    """What a worker reports."""

    def attempt_ended(self, kind: str, outcome: Outcome) -> None:
        """Count one attempt at a job."""
        ...

    def measured(self, depth: Depth) -> None:
        """Know how much there is to do."""
        ...


class NoSignals(Signals):
    """Counts nothing."""

    @override
    def attempt_ended(self, kind: str, outcome: Outcome) -> None:
        pass

    @override
    def measured(self, depth: Depth) -> None:
        pass


class OutboxSignals(Signals):
    """Counts with the instruments that `observability/telemetry/servicekit.yaml` declares."""

    def __init__(self, instruments: Instruments) -> None:
        self._attempts = instruments.counter("outbox_attempts_total")
        self._jobs = instruments.gauge("outbox_jobs")
        self._lag = instruments.gauge("outbox_lag_seconds")

    @override
    def attempt_ended(self, kind: str, outcome: Outcome) -> None:
        self._attempts.labels(kind=kind, outcome=outcome).inc()

    @override
    def measured(self, depth: Depth) -> None:
        self._jobs.labels(state="waiting").set(depth.waiting)
        self._jobs.labels(state="leased").set(depth.leased)
        self._jobs.labels(state="dead").set(depth.dead)
        self._lag.set(depth.lag_seconds)
