"""Stock and deliveries in memory."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime

from typing_extensions import override

from services.orders.model import Delivery, DeliveryId, OrderLine, Sku, Stock
from services.orders.ports import Inventory
from services.orders.store.memory.kept import Kept


class MemoryInventory(Inventory):
    """How much there is of each product."""

    def __init__(self, kept: Callable[[], Kept]) -> None:
        self._kept = kept

    @override
    async def get(self, sku: Sku) -> Stock | None:
        return self._kept().stock.get(sku)

    @override
    async def lock(self, sku: Sku) -> Stock | None:
        return await self.get(sku)

    @override
    async def receive(self, delivery: Delivery) -> None:
        self._kept().deliveries[delivery.id] = delivery
        self._kept().stock[delivery.stock.sku] = delivery.stock

    @override
    async def delivery(self, delivery_id: DeliveryId) -> Delivery | None:
        return self._kept().deliveries.get(delivery_id)

    @override
    async def reserve(self, lines: Sequence[OrderLine], now: datetime) -> frozenset[Sku]:
        stock = self._kept().stock
        enough = [line for line in lines if line.sku in stock and stock[line.sku].available >= line.quantity]
        for line in enough:
            self._change(line.sku, now, reserved=line.quantity)
        return frozenset(line.sku for line in lines) - {line.sku for line in enough}

    @override
    async def release(self, lines: Sequence[OrderLine], now: datetime) -> None:
        for line in lines:
            self._change(line.sku, now, reserved=-line.quantity)

    @override
    async def consume(self, lines: Sequence[OrderLine], now: datetime) -> None:
        for line in lines:
            self._change(line.sku, now, on_hand=-line.quantity, reserved=-line.quantity)

    def _change(self, sku: Sku, now: datetime, *, on_hand: int = 0, reserved: int = 0) -> None:
        before = self._kept().stock[sku]
        after = Stock(sku, before.on_hand + on_hand, before.reserved + reserved, now)
        if not 0 <= after.reserved <= after.on_hand:
            raise ValueError(f"stock of {sku} would be {after.reserved} reserved of {after.on_hand}")
        self._kept().stock[sku] = after
