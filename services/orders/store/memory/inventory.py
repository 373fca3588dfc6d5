"""Stock and deliveries in memory."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import datetime

from typing_extensions import override

from services.orders.model import (
    Delivery,
    DeliveryId,
    Movement,
    MovementReason,
    OrderId,
    OrderLine,
    Sku,
    Stock,
)
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
        self._keep(delivery.stock, MovementReason.DELIVERED, delivery.quantity, None, delivery.id)

    @override
    async def delivery(self, delivery_id: DeliveryId) -> Delivery | None:
        return self._kept().deliveries.get(delivery_id)

    @override
    async def reserve(self, order_id: OrderId, lines: Sequence[OrderLine], now: datetime) -> frozenset[Sku]:
        stock = self._kept().stock
        enough = [line for line in lines if line.sku in stock and stock[line.sku].available >= line.quantity]
        self._move(order_id, enough, MovementReason.RESERVED, now)
        return frozenset(line.sku for line in lines) - {line.sku for line in enough}

    @override
    async def release(self, order_id: OrderId, lines: Sequence[OrderLine], now: datetime) -> None:
        self._move(order_id, lines, MovementReason.RELEASED, now)

    @override
    async def consume(self, order_id: OrderId, lines: Sequence[OrderLine], now: datetime) -> None:
        self._move(order_id, lines, MovementReason.SOLD, now)

    @override
    async def set_low_threshold(self, sku: Sku, units: int, now: datetime) -> Stock | None:
        stock = self._kept().stock.get(sku)
        if stock is not None:
            stock = self._kept().stock[sku] = replace(stock, low_threshold=units, updated_at=now)
        return stock

    @override
    async def movements(self, sku: Sku, before: int | None, limit: int) -> list[Movement]:
        stock = self._kept().stock.get(sku)
        last = 0 if stock is None else stock.movements
        numbers = range(last if before is None else min(last, before - 1), 0, -1)
        return [self._kept().movements[sku, number] for number in numbers][:limit]

    def _move(
        self, order_id: OrderId, lines: Sequence[OrderLine], reason: MovementReason, now: datetime
    ) -> None:
        for line in lines:
            before = self._kept().stock[line.sku]
            reserved = line.quantity if reason is MovementReason.RESERVED else -line.quantity
            after = replace(
                before,
                on_hand=before.on_hand - (line.quantity if reason is MovementReason.SOLD else 0),
                reserved=before.reserved + reserved,
                movements=before.movements + 1,
                updated_at=now,
            )
            if not 0 <= after.reserved <= after.on_hand:
                raise ValueError(f"stock of {line.sku} would be {after.reserved} reserved of {after.on_hand}")
            self._keep(after, reason, line.quantity, order_id, None)

    def _keep(
        self,
        stock: Stock,
        reason: MovementReason,
        quantity: int,
        order_id: OrderId | None,
        delivery_id: DeliveryId | None,
    ) -> None:
        self._kept().stock[stock.sku] = stock
        self._kept().movements[stock.sku, stock.movements] = Movement(
            sku=stock.sku,
            number=stock.movements,
            reason=reason,
            quantity=quantity,
            on_hand=stock.on_hand,
            reserved=stock.reserved,
            order_id=order_id,
            delivery_id=delivery_id,
            at=stock.updated_at,
        )
