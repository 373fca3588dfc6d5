"""Calls in this process that wait for an order to settle.

The local worker announces what it settles, and a slow look into the store finds
what another replica settled. Nothing here is kept: whoever stops waiting answers
with the state reached, and the order goes on by itself.
"""

from __future__ import annotations

import asyncio

from servicekit.clock import Clock
from services.orders.model import Order, OrderId
from services.orders.ports import Store


class Settlements:
    """Who waits for which order."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._waiting: dict[OrderId, set[asyncio.Future[Order | None]]] = {}
        self._is_released = False

    async def of(self, order_id: OrderId, seconds: float) -> Order | None:
        """The settled order; none once `seconds` passed or nobody here settles orders any more."""
        if self._is_released or seconds <= 0:
            return None
        arrival: asyncio.Future[Order | None] = asyncio.get_running_loop().create_future()
        waiting = self._waiting.setdefault(order_id, set())
        waiting.add(arrival)
        try:
            async with asyncio.TaskGroup() as group:
                alarm = group.create_task(self._give_up(arrival, seconds))
                order = await arrival
                alarm.cancel()
            return order
        finally:
            waiting.discard(arrival)
            if not waiting:
                self._waiting.pop(order_id, None)

    def announce(self, order: Order) -> None:
        """Answer everybody who waits for this settled order."""
        for arrival in self._waiting.get(order.id, ()):
            _arrive(arrival, order)

    async def look(self, store: Store) -> None:
        """Announce those of the awaited orders that the store knows to be settled."""
        if self._waiting:
            for order in await store.orders.settled_among(list(self._waiting)):
                self.announce(order)

    def release(self) -> None:
        """Let everybody answer with the state reached, now and from now on."""
        self._is_released = True
        for arrivals in self._waiting.values():
            for arrival in arrivals:
                _arrive(arrival, None)

    @property
    def awaited(self) -> frozenset[OrderId]:
        """The orders that somebody waits for."""
        return frozenset(self._waiting)

    async def _give_up(self, arrival: asyncio.Future[Order | None], seconds: float) -> None:
        await self._clock.sleep(seconds)
        _arrive(arrival, None)


def _arrive(arrival: asyncio.Future[Order | None], order: Order | None) -> None:
    if not arrival.done():
        arrival.set_result(order)
