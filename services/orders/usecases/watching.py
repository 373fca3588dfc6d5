"""Orders as they change: every event once, in order, until the order is settled."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Final

from servicekit.context import current
from servicekit.errors import FieldViolation, InvalidArgument
from services.orders.errors import OrderNotFound
from services.orders.model import Order, OrderEvent, OrderId
from services.orders.ports import Store
from services.orders.usecases.answering import may_see
from services.orders.usecases.changes import Changes

LOOK_AGAIN_SECONDS: Final = 30.0
"""How long a watcher goes without asking the store itself: changes are announced, this is the net below."""

EVENTS_AT_ONCE: Final = 100


class Watching:
    """Follows orders."""

    def __init__(self, store: Store, changes: Changes) -> None:
        self._store = store
        self._changes = changes

    async def follow(self, order_id: str, after: int) -> AsyncIterator[tuple[Order, OrderEvent]]:
        """Each event numbered above `after`, with the order right after it; ends with a settled order.

        Ends as well when this process stops: the watcher goes on after the last number it has seen.
        """
        if after < 0:
            fault = FieldViolation("after_sequence", "must not be below zero")
            raise InvalidArgument("the order cannot be followed like this", violations=[fault])
        order = await self._seen(order_id)
        while True:
            for event in await self._store.orders.events(order.id, after, EVENTS_AT_ONCE):
                after = event.sequence
                yield order.as_of(event), event
            if after < order.sequence:
                continue
            if order.is_settled or self._changes.is_released:
                return
            changed = await self._changes.after(order, LOOK_AGAIN_SECONDS)
            order = changed or await self._seen(order_id)

    async def _seen(self, order_id: str) -> Order:
        order = await self._store.orders.get(OrderId(order_id))
        if order is None or not may_see(current().caller, order):
            raise OrderNotFound("there is no order with this id")
        return order
