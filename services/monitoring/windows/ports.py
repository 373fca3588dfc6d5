"""What the store asks of the outside."""

from __future__ import annotations

from typing import Protocol

from typing_extensions import override

from services.monitoring.windows.lane import Lane
from services.monitoring.windows.model import Numbers, Occupancy, Values


class Journal(Protocol):
    """Where it is noted what was written, in that order. Notes must not wait for a disk."""

    def wrote(self, lane: Lane, time_ms: int, rows: Numbers, values: Values) -> None:
        """Samples were written to rows of a lane, among them perhaps rows that are new."""
        ...


class NoJournal(Journal):
    """For a store that may forget everything."""

    @override
    def wrote(self, lane: Lane, time_ms: int, rows: Numbers, values: Values) -> None:
        """Note nothing."""


class Signals(Protocol):
    """Where it is recorded how keeping fares."""

    def round_ended(self, occupancy: Occupancy) -> None:
        """A round succeeded; so much there is."""
        ...

    def round_failed(self, error: OSError) -> None:
        """The disk did not take what was sampled. The next round tries again."""
        ...
