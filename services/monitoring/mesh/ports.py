"""What the mesh asks of the outside."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Protocol

from services.monitoring.mesh.model import Health, Mesh, Transition


class HealthSource(Protocol):
    """Where the health of one service is heard."""

    async def listen(self, hear: Callable[[Health], None]) -> str:
        """Tell `hear` what the service publishes, at once, each second, and as soon as it flips.

        Returns:
            Once the service cannot be heard: why, for a person, without library text.
        """
        ...

    async def aclose(self) -> None:
        """Hang up for good."""
        ...


class TransitionStore(Protocol):
    """Where transitions are kept."""

    async def add(self, transitions: Sequence[Transition]) -> None:
        """Keep these; one that is kept already is kept once.

        Raises:
            StoreUnavailable: They may or may not be kept: add them again.
        """
        ...

    async def history(self, node: str, limit: int) -> Sequence[Transition]:
        """The last transitions of a node, newest first.

        Raises:
            StoreUnavailable: Nobody knows now.
        """
        ...


class Signals(Protocol):
    """Where it is recorded what became of the mesh."""

    def node_changed(self, transition: Transition, reason: str) -> None:
        """A node came to be in another state."""
        ...

    def mesh_changed(self, mesh: Mesh) -> None:
        """Something in the mesh changed, if only a reason."""
        ...

    def transition_lost(self, transition: Transition) -> None:
        """The history has a hole: the store was away for too long."""
        ...
