"""Stores in memory: faithful fakes of those in PostgreSQL, held to the same contracts."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from typing_extensions import override

from services.monitoring.mesh import Transition, TransitionStore
from services.monitoring.promql import Labels
from services.monitoring.windows import RecordedSample, RecordedStore, Times, Values


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


class MemoryRecorded(RecordedStore):
    """Keeps recorded samples for as long as it lives."""

    def __init__(self) -> None:
        self._kept: dict[Labels, dict[int, float]] = {}

    @override
    async def add(self, samples: Sequence[RecordedSample]) -> None:
        for sample in samples:
            self._kept.setdefault(sample.labels, {}).setdefault(sample.time_ms, sample.value)

    @override
    async def load(self, start_ms: int, end_ms: int) -> Mapping[Labels, tuple[Times, Values]]:
        found = {
            labels: sorted((at, value) for at, value in kept.items() if start_ms <= at < end_ms)
            for labels, kept in self._kept.items()
        }
        return {
            labels: (np.array([at for at, _ in pairs]), np.array([value for _, value in pairs]))
            for labels, pairs in found.items()
            if pairs
        }

    @override
    async def forget(self, before_ms: int) -> None:
        for labels, kept in self._kept.items():
            self._kept[labels] = {at: value for at, value in kept.items() if at >= before_ms}
