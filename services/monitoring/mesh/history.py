"""Transitions on their way into the store, kept in memory while it is away."""

from __future__ import annotations

import asyncio
from collections import deque

from services.monitoring.mesh.model import Transition
from services.monitoring.mesh.ports import Signals, TransitionStore


class History:
    """A bounded queue before the store. When it overflows, the oldest are lost, and that is recorded."""

    def __init__(self, store: TransitionStore, signals: Signals, *, limit: int = 1_000) -> None:
        self._store = store
        self._signals = signals
        self._limit = limit
        self._waiting: deque[Transition] = deque()
        self._arrived = asyncio.Event()

    def add(self, transition: Transition) -> None:
        """Take a transition. Never waits and never fails."""
        if len(self._waiting) >= self._limit:
            self._signals.transition_lost(self._waiting.popleft())
        self._waiting.append(transition)
        self._arrived.set()

    async def arrival(self) -> None:
        """Return once there is something to write."""
        await self._arrived.wait()

    async def write(self) -> None:
        """Write what waits. One at a time; safe to cancel and to repeat.

        Raises:
            StoreUnavailable: It waits on.
        """
        batch = tuple(self._waiting)
        if batch:
            await self._store.add(batch)
        for transition in batch:
            # Some of the batch may have been lost to newer ones meanwhile.
            if self._waiting and self._waiting[0] is transition:
                self._waiting.popleft()
        if not self._waiting:
            self._arrived.clear()
