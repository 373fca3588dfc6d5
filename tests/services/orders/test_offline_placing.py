"""Sales are placed in the order of their till, once each, whatever dies; each is an order or a conflict."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

import pytest
from typing_extensions import override

from servicekit.postgres import Database
from services.orders.model import Basket
from services.orders.model.offline import Ending, QueuedSale, Turn
from services.orders.ports.offline import PlacedOrder, TurnLost
from services.orders.store.memory.offline import MemoryOfflineQueue
from services.orders.store.postgres.offline import PostgresOfflineQueue
from services.orders.usecases.offline import OfflinePlacing, SaleUnsettled
from services.orders.usecases.offline.placing import AGAIN, LEASE, PATIENCE_SECONDS, TURN
from services.orders.wire import offline as offline_wire
from services.orders.workers import OfflineWorker
from tests.services.orders.fakes import DECLINED, Crash, Died
from tests.services.orders.offline import OTHER_TILL, TILL, OfflineShop, message_of, sent


@pytest.fixture(params=["memory", "postgres"])
def shop(request: pytest.FixtureRequest) -> OfflineShop:
    """The queue on each store."""
    if request.param == "memory":
        return OfflineShop(MemoryOfflineQueue())
    database: Database = request.getfixturevalue("database")
    return OfflineShop(PostgresOfflineQueue(database))


async def test_sales_are_placed_by_number_however_they_were_sent(shop: OfflineShop) -> None:
    await shop.send(sent(5), sent(2), sent(9))
    await shop.send(sent(1), sent(7))

    await shop.work()

    assert shop.orders.sequences() == [1, 2, 5, 7, 9]
    report = await shop.report()
    assert (report.waiting, report.completed, report.conflicted) == (0, 5, 0)


async def test_a_late_number_is_placed_when_it_comes(shop: OfflineShop) -> None:
    await shop.send(sent(2))
    await shop.work()
    await shop.send(sent(1))

    await shop.work()

    assert shop.orders.sequences() == [2, 1]
    assert (await shop.report()).gaps == ()


async def test_every_conflict_is_told_to_its_till_and_holds_up_nothing(shop: OfflineShop) -> None:
    shop.orders.stock["TEA"] = 10
    await shop.send(
        sent(1),
        sent(2, quantity=11),
        sent(3, charged=249),
        sent(4, card=DECLINED),
        sent(5, "COFFEE"),
        sent(6, "WINE"),
        sent(7, currency="USD"),
        sent(8),
    )

    await shop.work()

    report = await shop.report()
    assert (report.waiting, report.completed, report.conflicted) == (0, 2, 6)
    assert await shop.reasons() == {
        2: "OUT_OF_STOCK",
        3: "PRICE_CHANGED",
        4: "INSUFFICIENT_FUNDS",
        5: "UNKNOWN_PRODUCT",
        6: "AGE_CHECK_NOT_DONE",
        7: "PRICE_CHANGED",
    }
    assert [one.sequence for one in report.conflicts if one.ending.order_id] == [4]
    assert all(one.ending.description for one in report.conflicts)
    assert shop.signals.completed == 2
    assert len(shop.signals.conflicted) == 6


@pytest.mark.parametrize(("is_met", "reasons"), [(True, {}), (False, {1: "AGE_NOT_MET"})])
async def test_an_age_check_made_at_the_till_counts(
    shop: OfflineShop, is_met: bool, reasons: dict[int, str]
) -> None:
    sold = message_of(1, "WINE")
    sold.age_check.method, sold.age_check.minimum_age_met = "identity_card", is_met
    await shop.send(offline_wire.sale_of(sold, TILL))

    await shop.work()

    assert await shop.reasons() == reasons
    assert (await shop.report()).completed == int(is_met)


async def test_conflicts_come_page_by_page(shop: OfflineShop) -> None:
    await shop.send(*(sent(number, charged=1) for number in range(1, 6)))
    await shop.work()

    first = await shop.report(page_size=3)
    rest = await shop.report(page_size=3, page_token=first.next_token)

    assert [one.sequence for one in (*first.conflicts, *rest.conflicts)] == [1, 2, 3, 4, 5]
    assert (first.conflicted, rest.next_token) == (5, "")


async def test_synthetic_sales_are_placed_and_reported_to_nobody(shop: OfflineShop) -> None:
    await shop.send(sent(1), sent(2, charged=1), synthetic=True)

    await shop.work()

    assert shop.orders.sequences() == [1]
    assert (shop.signals.completed, shop.signals.conflicted) == (0, [])


@pytest.mark.parametrize("trouble", ["is_away", "is_slow"])
async def test_what_cannot_be_known_now_is_tried_again_and_nothing_passes_it(
    shop: OfflineShop, trouble: str
) -> None:
    await shop.send(sent(1), sent(2))
    setattr(shop.orders, trouble, True)

    with pytest.raises(SaleUnsettled):
        await shop.work()
    too_soon = await shop.placing().lease(10)
    setattr(shop.orders, trouble, False)
    shop.clock.advance(AGAIN.total_seconds())
    await shop.work()

    assert too_soon == []
    assert shop.orders.sequences() == [1, 2]
    assert (await shop.report()).completed == 2


async def test_trouble_of_one_till_holds_up_no_other(shop: OfflineShop) -> None:
    await shop.send(sent(1, card=DECLINED), sent(2))
    await shop.send(sent(1, till=OTHER_TILL), till=OTHER_TILL)
    placing = shop.placing()
    mine, other = sorted(await placing.lease(2), key=lambda turn: turn.till_id)

    shop.orders.is_away = True
    with pytest.raises(SaleUnsettled):
        await placing.serve(mine, lambda: True)
    shop.orders.is_away = False
    await placing.serve(other, lambda: True)

    assert (await shop.report(OTHER_TILL)).completed == 1


async def test_a_till_has_one_worker_at_a_time(shop: OfflineShop) -> None:
    await shop.send(sent(1))

    first, second = await shop.placing().lease(10), await shop.placing().lease(10)

    assert [turn.till_id for turn in first] == [TILL]
    assert second == []


async def test_one_of_many_tills_with_long_queues_does_not_keep_the_others_waiting(shop: OfflineShop) -> None:
    await shop.send(*(sent(number) for number in range(1, TURN + 2)))
    placing = shop.placing()
    (turn,) = await placing.lease(1)

    await placing.serve(turn, lambda: True)

    assert (await shop.report()).waiting == 1
    assert [again.till_id for again in await placing.lease(1)] == [TILL]


async def test_a_worker_that_is_to_stop_leaves_the_rest_at_once_to_others(shop: OfflineShop) -> None:
    await shop.send(sent(1), sent(2))
    (turn,) = await shop.placing().lease(1)

    await shop.placing().serve(turn, lambda: not shop.orders.placed)

    assert shop.orders.sequences() == [1]
    await shop.work()
    assert shop.orders.sequences() == [1, 2]


async def test_a_sale_that_comes_while_its_till_is_served_is_not_forgotten(shop: OfflineShop) -> None:
    await shop.send(sent(1))
    (turn,) = await shop.placing().lease(1)
    await shop.placing().serve(turn, lambda: False)
    (turn,) = await shop.placing().lease(1)

    served = [queued.sale.sequence for queued in await shop.queue.next(turn, 10)]
    await shop.send(sent(2))
    await shop.queue.end(turn, 1, Ending(None, "SOME"), shop.clock.now(), shop.clock.now() + LEASE)
    await shop.queue.give_back(turn, shop.clock.now())

    assert served == [1]
    assert [again.till_id for again in await shop.placing().lease(1)] == [TILL]


async def test_a_worker_that_lost_its_till_ends_nothing(shop: OfflineShop) -> None:
    """The zombie: stopped past its lease, it wakes up when another has gone on."""
    await shop.send(sent(1), sent(2))
    zombie = shop.placing()
    (turn,) = await zombie.lease(1)
    shop.clock.advance(LEASE.total_seconds())
    await shop.work()

    with pytest.raises(TurnLost):
        await shop.queue.end(turn, 1, Ending(None, "ZOMBIE"), shop.clock.now(), shop.clock.now() + LEASE)
    await zombie.serve(turn, lambda: True)

    assert shop.orders.sequences() == [1, 2]
    assert await shop.reasons() == {}


async def test_a_zombie_cannot_give_away_a_till_that_is_served_by_another(shop: OfflineShop) -> None:
    await shop.send(sent(1))
    (turn,) = await shop.placing().lease(1)
    shop.clock.advance(LEASE.total_seconds())
    (again,) = await shop.placing().lease(1)

    await shop.queue.give_back(turn, shop.clock.now())

    assert await shop.placing().lease(1) == []
    assert again.token > turn.token


async def serve_all(placing: OfflinePlacing) -> None:
    while turns := await placing.lease(10):
        for turn in turns:
            await placing.serve(turn, lambda: True)


async def test_a_process_may_die_at_any_point_and_each_sale_ends_once_and_in_order(
    shop: OfflineShop,
) -> None:
    point = 0
    while True:
        first = 3 * point + 1
        await shop.send(sent(first), sent(first + 1, charged=1), sent(first + 2))
        crash = Crash(point)
        mortal = shop.placing(crash.before(shop.queue), crash.before(shop.orders).place)
        try:
            await serve_all(mortal)
        except Died:
            point += 1
            shop.clock.advance(LEASE.total_seconds())
            await shop.work()
        else:
            break

    report = await shop.report(page_size=1000)
    rounds = point + 1
    assert point >= 12
    assert (report.waiting, report.completed, report.conflicted) == (0, 2 * rounds, rounds)
    assert shop.orders.sequences() == [n for n in range(1, 3 * rounds + 1) if n % 3 != 2]


async def test_control_with_a_new_key_for_each_attempt_a_death_doubles_a_sale() -> None:
    shop = OfflineShop(MemoryOfflineQueue())

    async def forgetful(basket: Basket, fingerprint: bytes) -> PlacedOrder:
        shop.orders.forget()
        return await shop.orders.place(basket, fingerprint)

    await shop.send(sent(1))
    crash = Crash(4)  # lease, next: four points; then before the end is kept
    with pytest.raises(Died):
        await serve_all(shop.placing(crash.before(shop.queue), forgetful))
    shop.clock.advance(LEASE.total_seconds())
    await serve_all(shop.placing(place=forgetful))

    assert shop.orders.sequences() == [1, 1]


class Shuffled(MemoryOfflineQueue):
    """The control: a queue without order."""

    @override
    async def next(self, turn: Turn, limit: int) -> list[QueuedSale]:
        in_order: Sequence[QueuedSale] = await super().next(turn, limit)
        return list(reversed(in_order))


async def test_control_a_queue_without_order_is_noticed() -> None:
    shop = OfflineShop(Shuffled())
    await shop.send(sent(1), sent(2))

    await shop.work()

    assert shop.orders.sequences() == [2, 1]


async def test_the_worker_places_what_comes_until_it_is_told_to_stop(database: Database) -> None:
    shop = OfflineShop(PostgresOfflineQueue(database))
    stop = asyncio.Event()
    worker = OfflineWorker(shop.placing(), shop.clock)
    async with asyncio.TaskGroup() as group:
        group.create_task(worker.run(stop))
        await shop.send(*(sent(number) for number in range(1, 2 * TURN)))
        await shop.send(sent(1, till=OTHER_TILL), till=OTHER_TILL)
        async with asyncio.timeout(20):
            while len(shop.orders.placed) < 2 * TURN:
                worker.wake()
                await asyncio.sleep(0)
        stop.set()

    assert shop.orders.sequences() == list(range(1, 2 * TURN))
    assert shop.orders.sequences(OTHER_TILL) == [1]


async def test_the_worker_outlives_a_store_that_is_away_and_a_bug(database: Database) -> None:
    shop = OfflineShop(PostgresOfflineQueue(database))
    calls: list[str] = []

    async def buggy(basket: Basket, fingerprint: bytes) -> PlacedOrder:
        calls.append("bug")
        if len(calls) == 1:
            raise ZeroDivisionError
        return await shop.orders.place(basket, fingerprint)

    await shop.send(sent(1))
    stop = asyncio.Event()
    worker = OfflineWorker(shop.placing(place=buggy), shop.clock)
    async with asyncio.TaskGroup() as group:
        group.create_task(worker.run(stop))
        async with asyncio.timeout(20):
            while not calls:
                await asyncio.sleep(0)
            while not shop.orders.placed:
                shop.clock.advance(LEASE.total_seconds())
                await asyncio.sleep(0.01)
        stop.set()

    assert shop.orders.sequences() == [1]


def test_a_lease_outlasts_one_attempt() -> None:
    """Two statements that time out after 2 s each stand around the wait for the order."""
    assert LEASE.total_seconds() > PATIENCE_SECONDS + 2 * 2
