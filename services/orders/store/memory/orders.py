"""Orders in memory."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import datetime

from typing_extensions import override

from services.orders.model import Order, OrderEvent, OrderId, OrderState
from services.orders.ports import OrderMoved, Orders
from services.orders.store.memory.kept import Kept


class MemoryOrders(Orders):
    """The orders."""

    def __init__(self, kept: Callable[[], Kept]) -> None:
        self._kept = kept

    @override
    async def add(self, order: Order) -> None:
        self._keep(order)

    @override
    async def get(self, order_id: OrderId) -> Order | None:
        return self._kept().orders.get(order_id)

    @override
    async def lock(self, order_id: OrderId) -> Order | None:
        return await self.get(order_id)

    @override
    async def move(self, order: Order) -> None:
        stored = self._kept().orders.get(order.id)
        if stored is None or stored.sequence != order.sequence - 1:
            raise OrderMoved(f"order {order.id} has had an event {order.sequence} already")
        self._keep(order)

    @override
    async def page(
        self, placed_by: str | None, state: OrderState | None, before: OrderId | None, limit: int
    ) -> list[Order]:
        return [
            order
            for order_id, order in sorted(self._kept().orders.items(), reverse=True)
            if (before is None or order_id < before)
            and placed_by in {None, order.placed_by}
            and state in {None, order.state}
        ][:limit]

    @override
    async def moved_among(self, seen: Mapping[OrderId, int]) -> list[Order]:
        orders = self._kept().orders
        return [orders[one] for one, last in seen.items() if one in orders and orders[one].sequence > last]

    @override
    async def events(self, order_id: OrderId, after: int, limit: int) -> list[OrderEvent]:
        order = self._kept().orders.get(order_id)
        numbers = range(after + 1, order.sequence + 1 if order else 0)
        return [self._kept().events[order_id, number] for number in numbers][:limit]

    @override
    async def expired(self, now: datetime, limit: int) -> list[OrderId]:
        ends = [
            (order.reserved_until, order.id)
            for order in self._kept().orders.values()
            if order.reserved_until is not None and order.reserved_until <= now and order.closing is None
        ]
        return [order_id for _, order_id in sorted(ends)][:limit]

    def _keep(self, order: Order) -> None:
        self._kept().orders[order.id] = order
        self._kept().events[order.id, order.sequence] = order.last_event
