"""Orders in memory."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from typing_extensions import override

from services.orders.model import Order, OrderId, OrderState
from services.orders.ports import OrderMoved, Orders
from services.orders.store.memory.kept import Kept


class MemoryOrders(Orders):
    """The orders."""

    def __init__(self, kept: Callable[[], Kept]) -> None:
        self._kept = kept

    @override
    async def add(self, order: Order) -> None:
        self._kept().orders[order.id] = order

    @override
    async def get(self, order_id: OrderId) -> Order | None:
        return self._kept().orders.get(order_id)

    @override
    async def move(self, came_from: OrderState, order: Order) -> None:
        stored = self._kept().orders.get(order.id)
        if stored is None or stored.state is not came_from:
            raise OrderMoved(f"order {order.id} is no longer {came_from}")
        self._kept().orders[order.id] = order

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
    async def settled_among(self, order_ids: Sequence[OrderId]) -> list[Order]:
        orders = self._kept().orders
        return [orders[one] for one in order_ids if one in orders and orders[one].is_settled]
