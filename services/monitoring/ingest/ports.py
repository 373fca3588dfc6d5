"""What ingest asks of the outside."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Protocol

from services.monitoring.ingest import model


class Signals(Protocol):
    """Where it is recorded what came in."""

    def points_received(
        self, protocol: model.Protocol, accepted: int, refused: Iterable[model.Refused]
    ) -> None:
        """Data points arrived; each is either accepted or in `refused`."""
        ...

    def sender_fell_silent(self, sender: model.Sender) -> None:
        """A sender has not been heard for too long."""
        ...

    def sender_was_heard(self, sender: model.Sender) -> None:
        """A sender was heard for the first time, or again after it fell silent."""
        ...

    def senders(self, *, heard: int, silent: int) -> None:
        """How many senders there are now."""
        ...
