"""Transitions in memory: a faithful fake of `store.postgres`, held to the same contract."""

from __future__ import annotations

from collections.abc import Sequence

from typing_extensions import override

from services.monitoring.mesh import Transition, TransitionStore


class MemoryTransitions(TransitionStore):
    """Keeps transitions for as long as it lives."""

    def __init__(self) -> None:
        self._kept: list[Transition] = []

    @override
    async def add(self, transitions: Sequence[Transition]) -> None:
        self._kept = list(dict.fromkeys((*self._kept, *transitions)))

    @override
    async def history(self, node: str, limit: int) -> Sequence[Transition]:
        of_node = [one for one in self._kept if one.node == node]
        return sorted(of_node, key=lambda one: one.since, reverse=True)[:limit]
