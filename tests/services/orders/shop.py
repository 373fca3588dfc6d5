"""The use cases of the orders service on one store, with the world around them."""

from __future__ import annotations

import contextlib
from collections.abc import Awaitable, Callable
from typing import Any

from servicekit.clock import ManualClock, uuid7
from servicekit.context import Caller
from servicekit.outbox import Outbox
from servicekit.postgres import Database
from services.orders.model import Basket, Errand, ErrandId, Money, Order, OrderId, Stock
from services.orders.ports import PaymentUnsettled, Store
from services.orders.store.memory import MemoryStore
from services.orders.store.postgres import PostgresStore
from services.orders.usecases import Catalogue, Ordering, Settlements, Settling, Stockroom
from tests.services.orders.fakes import ALICE, FINGERPRINT, MANAGER, FakePayments, SeenSignals, called_by

Lease = Callable[[], Awaitable[list[Errand]]]
LEASE_SECONDS = 10
PRICE = Money("EUR", 250)


class Shop:
    """A shop whose worker works when it is told to.

    Attributes:
        lease: Takes the errands that nobody holds.
    """

    def __init__(self, store: Store, lease: Lease, clock: ManualClock) -> None:
        self.clock = clock
        self.store = store
        self.lease = lease
        self.payments = FakePayments()
        self.signals = SeenSignals()
        self.settlements = Settlements(clock)
        self.catalogue = Catalogue(store, clock)
        self.stockroom = Stockroom(store, clock, uuid7)
        self.ordering = Ordering(store, self.settlements, self.signals, clock, uuid7)

    async def sell(self, sku: str, *, units: int = 10, price: Money = PRICE, age: int = 0) -> None:
        with called_by(MANAGER):
            await self.catalogue.add(sku, f"One {sku}", price, age, FINGERPRINT)
        if units:
            with called_by(MANAGER):
                await self.stockroom.restock(sku, units, FINGERPRINT)

    async def place(
        self,
        wanted: Basket,
        caller: Caller = ALICE,
        key: str = "",
        *,
        fingerprint: bytes = FINGERPRINT,
        synthetic: bool = False,
    ) -> Order:
        """Place an order without the time to wait for it."""
        with called_by(caller, key, synthetic=synthetic, deadline=self.clock.monotonic()):
            return await self.ordering.place(wanted, fingerprint)

    def settling(self, store: Any = None, payments: Any = None) -> Settling:
        """A worker's use case, on the shop's own store and payments unless told otherwise."""
        world = store or self.store, payments or self.payments
        return Settling(*world, self.settlements, self.signals, self.clock)

    def expire(self) -> None:
        """Let every lease run out, as if its worker had died."""
        self.clock.advance(LEASE_SECONDS)

    async def work(self) -> None:
        """Let a worker try once at every errand that nobody holds; what is not settled stays held."""
        settling = self.settling()
        for errand in await self.lease():
            with contextlib.suppress(PaymentUnsettled):
                await settling.settle(errand)

    async def order(self, order: Order) -> Order:
        found = await self.store.orders.get(order.id)
        assert found is not None
        return found

    async def stock(self, sku: str) -> Stock:
        return await self.stockroom.get(sku)

    async def units(self, sku: str) -> tuple[int, int]:
        """On hand, and how many of those are reserved."""
        stock = await self.stock(sku)
        return stock.on_hand, stock.reserved


def memory_shop() -> Shop:
    clock = ManualClock()
    store = MemoryStore(clock, uuid7, lease_seconds=LEASE_SECONDS)

    return Shop(store, store.lease, clock)


def postgres_shop(database: Database) -> Shop:
    clock = ManualClock()
    outbox = Outbox(database, clock, uuid7, lease_seconds=LEASE_SECONDS)

    async def lease() -> list[Errand]:
        return [Errand(ErrandId(job.id), OrderId(job.key), job.token) for job in await outbox.lease(1000)]

    return Shop(PostgresStore(database, outbox), lease, clock)
