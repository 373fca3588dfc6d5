"""What an evaluation has to say besides its result."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from typing_extensions import override


@dataclass(frozen=True, slots=True)
class Note:
    """A remark on a query. A warning says that the result may be wrong, an info that the query may be."""

    level: Literal["warning", "info"]
    text: str

    @override
    def __str__(self) -> str:
        """As Prometheus writes it in its API, without the position."""
        return f"PromQL {self.level}: {self.text}"


class Notes:
    """The remarks of one evaluation, each once."""

    def __init__(self) -> None:
        self._notes: dict[Note, None] = {}

    def warn(self, text: str) -> None:
        """Say that the result may be wrong."""
        self._notes[Note("warning", text)] = None

    def inform(self, text: str) -> None:
        """Say that the query may not be what was meant."""
        self._notes[Note("info", text)] = None

    def all(self) -> tuple[Note, ...]:
        """Return them in order of first appearance."""
        return tuple(self._notes)
