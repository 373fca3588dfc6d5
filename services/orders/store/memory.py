"""All that is kept, in memory: held to the same contract tests as PostgreSQL.

A transaction works on a copy that replaces what is kept when its block ends, so one
that raises leaves nothing and nobody sees half of one. Transactions run one after
the other: where PostgreSQL lets them wait for a row, here they wait for each other.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from datetime import datetime

from typing_extensions import override

from servicekit.clock import Clock, MakeId
from servicekit.outbox import LeaseLost
from services.orders.model import (
    Attempt,
    Delivery,
    DeliveryId,
    Errand,
    ErrandId,
    Order,
    OrderId,
    OrderLine,
    OrderState,
    Outcome,
    Product,
    Sku,
    Stock,
)
from services.orders.ports import (
    Attempts,
    Errands,
    Inventory,
    OrderMoved,
    Orders,
    Products,
    Store,
    Transaction,
)


@dataclass
class _Kept:
    """Everything, by its key. Values are frozen, so a shallow copy is a copy."""

    products: dict[Sku, Product] = field(default_factory=dict)
    stock: dict[Sku, Stock] = field(default_factory=dict)
    deliveries: dict[DeliveryId, Delivery] = field(default_factory=dict)
    orders: dict[OrderId, Order] = field(default_factory=dict)
    attempts: dict[tuple[str, str, str], Outcome] = field(default_factory=dict)
    errands: dict[ErrandId, Errand] = field(default_factory=dict)
    leased_until: dict[ErrandId, float] = field(default_factory=dict)

    def copy(self) -> _Kept:
        return _Kept(**{name: dict(table) for name, table in vars(self).items()})


class _MemoryProducts(Products):
    def __init__(self, kept: Callable[[], _Kept]) -> None:
        self._kept = kept

    @override
    async def add(self, product: Product) -> bool:
        if product.sku in self._kept().products:
            return False
        self._kept().products[product.sku] = product
        self._kept().stock[product.sku] = Stock(product.sku, 0, 0, product.created_at)
        return True

    @override
    async def get(self, sku: Sku) -> Product | None:
        return self._kept().products.get(sku)

    @override
    async def named(self, skus: Sequence[Sku]) -> dict[Sku, Product]:
        products = self._kept().products
        return {sku: products[sku] for sku in skus if sku in products}

    @override
    async def page(self, after: Sku, limit: int) -> list[Product]:
        products = self._kept().products
        return [products[sku] for sku in sorted(products) if sku > after][:limit]


class _MemoryInventory(Inventory):
    def __init__(self, kept: Callable[[], _Kept]) -> None:
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


class _MemoryOrders(Orders):
    def __init__(self, kept: Callable[[], _Kept]) -> None:
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


class _MemoryAttempts(Attempts):
    def __init__(self, kept: Callable[[], _Kept]) -> None:
        self._kept = kept

    @override
    async def claim(self, attempt: Attempt, made: str, now: datetime) -> Outcome | None:
        name = attempt.caller, attempt.operation, attempt.key
        earlier = self._kept().attempts.get(name)
        if earlier is None:
            self._kept().attempts[name] = Outcome(attempt.fingerprint, made)
        return earlier


class _MemoryErrands(Errands):
    def __init__(self, kept: Callable[[], _Kept], make_id: MakeId) -> None:
        self._kept = kept
        self._make_id = make_id

    @override
    async def add(self, order_id: OrderId) -> None:
        errand = Errand(ErrandId(self._make_id()), order_id, token=0)
        self._kept().errands[errand.id] = errand

    @override
    async def finish(self, errand: Errand) -> None:
        if self._kept().errands.get(errand.id) != errand:
            raise LeaseLost(f"errand {errand.id} was leased by another worker")
        del self._kept().errands[errand.id]


class _MemoryTransaction(Transaction):
    def __init__(self, kept: _Kept, make_id: MakeId) -> None:
        self.products = _MemoryProducts(lambda: kept)
        self.inventory = _MemoryInventory(lambda: kept)
        self.orders = _MemoryOrders(lambda: kept)
        self.attempts = _MemoryAttempts(lambda: kept)
        self.errands = _MemoryErrands(lambda: kept, make_id)


class MemoryStore(Store):
    """Everything, until the process ends."""

    def __init__(self, clock: Clock, make_id: MakeId, *, lease_seconds: float = 10) -> None:
        self._clock = clock
        self._make_id = make_id
        self._lease_seconds = lease_seconds
        self._lock = asyncio.Lock()
        self._kept = _Kept()
        self.products = _MemoryProducts(lambda: self._kept)
        self.inventory = _MemoryInventory(lambda: self._kept)
        self.orders = _MemoryOrders(lambda: self._kept)

    @override
    @asynccontextmanager
    async def transaction(self) -> AsyncIterator[Transaction]:
        async with self._lock:
            kept = self._kept.copy()
            yield _MemoryTransaction(kept, self._make_id)
            self._kept = kept

    async def lease(self) -> list[Errand]:
        """Take every errand that nobody holds, for `lease_seconds`, as the outbox of servicekit would."""
        async with self._lock:
            now = self._clock.monotonic()
            free = [
                one for one in self._kept.errands.values() if self._kept.leased_until.get(one.id, now) <= now
            ]
            leased = [replace(errand, token=errand.token + 1) for errand in free]
            for errand in leased:
                self._kept.errands[errand.id] = errand
                self._kept.leased_until[errand.id] = now + self._lease_seconds
            return leased
