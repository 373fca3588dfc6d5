"""What the store asks of whoever makes it outlive the process."""

from __future__ import annotations

from typing import Protocol

from typing_extensions import override

from services.monitoring.windows.lane import Lane
from services.monitoring.windows.model import Numbers, Values


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
