"""The loops, on PostgreSQL and the real outbox."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from types import SimpleNamespace
from typing import Any

from servicekit.clock import ManualClock, SystemClock, uuid7
from servicekit.errors import StoreUnavailable
from servicekit.outbox import Outbox
from servicekit.postgres import Database
from services.orders.model import Order, OrderId, OrderState
from services.orders.store.postgres import PostgresStore
from services.orders.usecases import Answering, Changes, Ordering, Permits, Settling
from services.orders.workers import LOOK_SECONDS, Rounds, SettlingWorker
from tests.services.orders.fakes import (
    ALICE,
    FINGERPRINT,
    UNKNOWN_ONCE,
    FakeFlags,
    FakePayments,
    FakeTills,
    SeenSignals,
    basket,
    called_by,
)
from tests.services.orders.shop import Shop


class Replica:
    """One process of the service, in real time: a worker, and calls that wait for it."""

    def __init__(self, database: Database) -> None:
        self.clock = SystemClock()
        self.payments = FakePayments()
        self.changes = Changes(self.clock)
        self.stop = asyncio.Event()
        outbox = Outbox(database, self.clock, uuid7)
        self.store = PostgresStore(database, outbox)
        answering = Answering(self.store, self.changes, SeenSignals(), self.clock)
        permits = Permits(FakeFlags(), FakeTills())
        self.ordering = Ordering(self.store, answering, permits, SeenSignals(), self.clock, uuid7)
        settling = Settling(self.store, self.payments, self.changes, SeenSignals(), self.clock)
        self.worker = SettlingWorker(outbox, settling, self.changes)
        self.look = Rounds("changes", LOOK_SECONDS, lambda: self.changes.look(self.store), self.clock)

    async def place(self, card: str = "pm_card_visa") -> Order:
        with called_by(ALICE, deadline=self.clock.monotonic() + 10):
            return await self.ordering.place(basket(("A", 1), card=card), FINGERPRINT)

    @asynccontextmanager
    async def working(self) -> AsyncIterator[None]:
        async with asyncio.TaskGroup() as group:
            group.create_task(self.worker.run(self.stop))
            group.create_task(self.look.run(self.stop))
            yield
            self.stop.set()


async def test_an_order_is_answered_settled(stored_shop: Shop, database: Database) -> None:
    await stored_shop.sell("A")
    replica = Replica(database)

    async with replica.working():
        order = await replica.place()

    assert order.state is OrderState.COMPLETED
    assert await stored_shop.units("A") == (9, 0)


async def test_an_unknown_payment_is_settled_by_asking_again(stored_shop: Shop, database: Database) -> None:
    await stored_shop.sell("A")
    replica = Replica(database)

    async with replica.working():
        order = await replica.place(UNKNOWN_ONCE)

    assert order.state is OrderState.COMPLETED
    assert (replica.payments.holds[order.id], replica.payments.charges[order.id]) == (1, 1)


async def test_two_replicas_settle_each_order_once(stored_shop: Shop, database: Database) -> None:
    await stored_shop.sell("A", units=40)
    here, there = Replica(database), Replica(database)
    there.payments = here.payments

    async with here.working(), there.working():
        placed = await asyncio.gather(*(replica.place() for replica in (here, there) for _ in range(20)))

    assert {order.state for order in placed} == {OrderState.COMPLETED}
    assert await stored_shop.units("A") == (0, 0)


async def test_a_worker_that_stops_lets_its_callers_go(stored_shop: Shop, database: Database) -> None:
    await stored_shop.sell("A")
    replica = Replica(database)
    replica.stop.set()

    async with asyncio.TaskGroup() as group:
        placing = group.create_task(replica.place())
        while not replica.changes.awaited:
            await asyncio.sleep(0.001)
        await replica.worker.run(replica.stop)

    assert placing.result().state is OrderState.PENDING


class AwayAtFirst:
    """Orders of a store that does not answer the first look."""

    def __init__(self, shop: Shop) -> None:
        self._shop = shop
        self._is_away = True

    async def moved_among(self, seen: Mapping[OrderId, int]) -> list[Order]:
        if self._is_away:
            self._is_away = False
            raise StoreUnavailable("away")
        return await self._shop.store.orders.moved_among(seen)


async def test_the_look_finds_what_another_replica_settled_also_after_an_outage(shop: Shop) -> None:
    await shop.sell("A")
    clock = ManualClock()
    changes, stop = Changes(clock), asyncio.Event()
    order = await shop.place(basket(("A", 1)))
    await shop.work()
    store: Any = SimpleNamespace(orders=AwayAtFirst(shop))

    async with asyncio.TaskGroup() as group:
        looking = group.create_task(
            Rounds("changes", LOOK_SECONDS, lambda: changes.look(store), clock).run(stop)
        )
        waiting = group.create_task(changes.after(order, 60))
        for _ in range(2):
            while clock.sleepers < 2:
                await asyncio.sleep(0)
            clock.advance(LOOK_SECONDS)
        found = await waiting
        stop.set()
        await looking

    assert found == await shop.order(order)
