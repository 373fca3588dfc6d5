"""Calls in this process that wait for an order to change.

The local worker announces each change it makes, and a slow look into the store finds
what another replica changed. Nothing here is kept: whoever stops waiting answers
with the state reached, and the order goes on by itself.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field

from servicekit.clock import Clock
from services.orders.model import Order, OrderId
from services.orders.ports import Store


@dataclass(eq=False)
class _Wait:
    """One call that waits: until an event after the one it has seen, or until it is let go.

    Attributes:
        newest: The latest order it was told of: several changes may come before it runs again.
    """

    seen: int
    is_over: asyncio.Event = field(default_factory=asyncio.Event)
    newest: Order | None = None


class Changes:
    """Who waits for which order."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._waiting: dict[OrderId, set[_Wait]] = {}
        self._is_released = False

    async def after(self, order: Order, seconds: float) -> Order | None:
        """The order after an event later than this one's last; none once `seconds` passed.

        Answers none at once when this process has stopped telling of changes.
        """
        if self._is_released or seconds <= 0:
            return None
        wait = _Wait(order.sequence)
        waiting = self._waiting.setdefault(order.id, set())
        waiting.add(wait)
        try:
            async with asyncio.TaskGroup() as group:
                alarm = group.create_task(self._give_up(wait, seconds))
                await wait.is_over.wait()
                alarm.cancel()
            return wait.newest
        finally:
            waiting.discard(wait)
            if not waiting and self._waiting.get(order.id) is waiting:
                del self._waiting[order.id]

    def announce(self, order: Order) -> None:
        """Tell everybody who waits for this order and has not seen its last event."""
        for wait in self._waiting.get(order.id, ()):
            if order.sequence > (wait.newest.sequence if wait.newest else wait.seen):
                wait.newest = order
                wait.is_over.set()

    async def look(self, store: Store) -> None:
        """Announce those of the awaited orders that the store knows to have changed."""
        seen = self.awaited
        if seen:
            for order in await store.orders.moved_among(seen):
                self.announce(order)

    def release(self) -> None:
        """Let everybody answer with the state reached, now and from now on."""
        self._is_released = True
        for waiting in self._waiting.values():
            for wait in waiting:
                wait.is_over.set()

    @property
    def is_released(self) -> bool:
        """True once nobody here is told of changes any more."""
        return self._is_released

    @property
    def awaited(self) -> dict[OrderId, int]:
        """The orders that somebody waits for, and the earliest event that any of them has seen last."""
        return {
            order_id: min(wait.seen for wait in waiting)
            for order_id, waiting in self._waiting.items()
            if waiting
        }

    async def _give_up(self, wait: _Wait, seconds: float) -> None:
        await self._clock.sleep(seconds)
        wait.is_over.set()
