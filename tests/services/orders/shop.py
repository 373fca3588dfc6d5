"""The use cases of the orders service on one store, with the world around them."""

from __future__ import annotations

import contextlib
from collections.abc import Awaitable, Callable
from contextlib import AbstractContextManager
from typing import Any

from servicekit.clock import ManualClock, uuid7
from servicekit.context import Caller, RequestContext
from servicekit.outbox import Outbox
from servicekit.postgres import Database
from services.orders.model import Basket, Errand, ErrandId, Money, Order, OrderId, Stock
from services.orders.ports import OrderMoved, PaymentUnsettled, Store
from services.orders.store.memory import MemoryStore
from services.orders.store.postgres import PostgresStore
from services.orders.usecases import (
    AgeVerifications,
    Answering,
    Catalogue,
    Changes,
    Closings,
    DeadLetterOffice,
    Ordering,
    Permits,
    Refunds,
    Retention,
    Settling,
    Stockroom,
    Watching,
)
from tests.services.orders.fakes import (
    ALICE,
    CASHIER,
    FINGERPRINT,
    MANAGER,
    FakeFlags,
    FakePayments,
    FakeTills,
    SeenSignals,
    called_by,
)

Lease = Callable[[], Awaitable[list[Errand]]]
Bury = Callable[[Errand, str], Awaitable[None]]
LEASE_SECONDS = 10
PRICE = Money("EUR", 250)


class Shop:
    """A shop whose worker works when it is told to.

    Attributes:
        lease: Takes the errands that nobody holds.
        bury: Gives up on an errand.
    """

    def __init__(self, store: Store, lease: Lease, bury: Bury, clock: ManualClock) -> None:
        self.clock = clock
        self.store = store
        self.lease = lease
        self.bury = bury
        self.payments = FakePayments()
        self.signals = SeenSignals()
        self.changes = Changes(clock)
        self.flags = FakeFlags()
        self.tills = FakeTills()
        self.catalogue = Catalogue(store, clock)
        self.stockroom = Stockroom(store, clock, uuid7)
        self.answering = Answering(store, self.changes, self.signals, clock)
        self.ordering = self.ordering_on(store)
        self.closings = self.closings_on(store)
        self.refunds = self.refunds_on(store)
        self.age_verifications = self.age_verifications_on(store)
        self.watching = Watching(store, self.changes)
        self.dead_letters = DeadLetterOffice(store, self.signals, clock)
        self.retention = Retention(store, clock)

    def ordering_on(self, store: Any) -> Ordering:
        permits = Permits(self.flags, self.tills)
        return Ordering(store, self.answering, permits, self.signals, self.clock, uuid7)

    def closings_on(self, store: Any) -> Closings:
        return Closings(store, self.answering, self.changes, self.signals, self.clock)

    def refunds_on(self, store: Any) -> Refunds:
        return Refunds(store, self.answering, self.changes, self.clock, uuid7)

    def age_verifications_on(self, store: Any) -> AgeVerifications:
        return AgeVerifications(store, self.answering, self.changes, self.signals, self.clock)

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
        return Settling(*world, self.changes, self.signals, self.clock)

    def expire(self) -> None:
        """Let every lease run out, as if its worker had died."""
        self.clock.advance(LEASE_SECONDS)

    async def work(self) -> None:
        """Let a worker try once at every errand that nobody holds; what is not settled stays held."""
        settling = self.settling()
        for errand in await self.lease():
            with contextlib.suppress(PaymentUnsettled, OrderMoved):
                await settling.settle(errand)

    def calling(self, caller: Caller, key: str = "") -> AbstractContextManager[RequestContext]:
        """A request of this caller without the time to wait."""
        return called_by(caller, key, deadline=self.clock.monotonic())

    async def cancel(self, order: Order, caller: Caller = ALICE, key: str = "") -> Order:
        with self.calling(caller, key):
            return await self.closings.cancel(order.id, FINGERPRINT)

    async def refund(self, order: Order, minor_units: int | None = None, key: str = "") -> Order:
        """Have so much given back, or all that is left."""
        amount = None if minor_units is None else Money("EUR", minor_units)
        with self.calling(MANAGER, key):
            return await self.refunds.refund(order.id, amount, FINGERPRINT)

    async def verify(
        self, order: Order, *, is_met: bool = True, method: str = "identity_card", key: str = ""
    ) -> Order:
        with self.calling(CASHIER, key):
            return await self.age_verifications.verify(
                order.id, method, is_met=is_met, fingerprint=FINGERPRINT
            )

    async def work_until_done(self) -> None:
        """Let workers try at every errand until there is none."""
        for _ in range(20):
            await self.work()
            self.expire()

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

    return Shop(store, store.lease, store.bury, clock)


def postgres_shop(database: Database) -> Shop:
    clock = ManualClock()
    outbox = Outbox(database, clock, uuid7, lease_seconds=LEASE_SECONDS)

    async def lease() -> list[Errand]:
        return [Errand(ErrandId(job.id), OrderId(job.key), job.token) for job in await outbox.lease(1000)]

    return Shop(PostgresStore(database, outbox), lease, outbox.bury, clock)
