"""What the offline queue needs from time to time: to be measured, and to forget what ended long ago."""

from __future__ import annotations

from datetime import timedelta
from typing import Final

from servicekit.clock import Clock
from services.orders.ports.offline import OfflineQueue, OfflineSignals

KEPT: Final = timedelta(days=90)
"""How long a till can still ask what became of a sale after its end (offline.proto)."""

AT_ONCE: Final = 1000
"""Rows forgotten in one transaction: a few milliseconds."""


class OfflineKeeping:
    """Keeps the queue in bounds and in sight."""

    def __init__(self, queue: OfflineQueue, signals: OfflineSignals, clock: Clock) -> None:
        self._queue = queue
        self._signals = signals
        self._clock = clock

    async def measure(self) -> None:
        """Report how much there is to do."""
        self._signals.depth_measured(await self._queue.depth(self._clock.now()))

    async def forget(self) -> None:
        """Forget every sale that ended `KEPT` ago, but not that there was one."""
        while await self._queue.forget(self._clock.now() - KEPT, AT_ONCE) == AT_ONCE:
            continue
