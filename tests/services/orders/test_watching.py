"""Orders as they change, and work that gave up."""

from __future__ import annotations

import asyncio

import pytest

from servicekit.errors import InvalidArgument
from services.orders.errors import DeadLetterNotFound, OrderNotFound
from services.orders.model import Order, OrderEvent, OrderState
from tests.services.orders.fakes import ALICE, BOB, FINGERPRINT, MANAGER, basket
from tests.services.orders.shop import Shop


async def follow(shop: Shop, order: Order, after: int = 0) -> list[tuple[Order, OrderEvent]]:
    with shop.calling(ALICE):
        return [one async for one in shop.watching.follow(order.id, after)]


async def test_a_settled_order_tells_all_its_events_and_ends(any_shop: Shop) -> None:
    await any_shop.sell("A")
    order = await any_shop.place(basket(("A", 1)))
    await any_shop.work()

    seen = await follow(any_shop, order)

    assert [(event.sequence, event.name, then.state) for then, event in seen] == [
        (1, "order_created", OrderState.PENDING),
        (2, "order_authorized", OrderState.AUTHORIZED),
        (3, "order_completed", OrderState.COMPLETED),
    ]
    assert seen[-1][0] == await any_shop.order(order)
    assert await follow(any_shop, order, after=2) == seen[2:]
    assert await follow(any_shop, order, after=3) == []


async def test_a_watcher_sees_each_change_once_as_it_happens(any_shop: Shop) -> None:
    await any_shop.sell("A")
    order = await any_shop.place(basket(("A", 1)))

    async with asyncio.TaskGroup() as group:
        watching = group.create_task(follow(any_shop, order))
        while not any_shop.changes.awaited:
            await asyncio.sleep(0.001)
        await any_shop.work()
        while not watching.done():
            await any_shop.changes.look(any_shop.store)
            await asyncio.sleep(0.001)

    assert [event.sequence for _, event in watching.result()] == [1, 2, 3]


async def test_a_process_that_stops_lets_its_watchers_go(shop: Shop) -> None:
    await shop.sell("A")
    order = await shop.place(basket(("A", 1)))
    shop.changes.release()

    assert [event.sequence for _, event in await follow(shop, order)] == [1]


async def test_strangers_follow_nothing(shop: Shop) -> None:
    await shop.sell("A")
    order = await shop.place(basket(("A", 1)))

    with shop.calling(BOB), pytest.raises(OrderNotFound):
        await anext(shop.watching.follow(order.id, 0))
    with shop.calling(ALICE), pytest.raises(InvalidArgument):
        await anext(shop.watching.follow(order.id, -1))


async def test_work_that_gave_up_is_listed_and_replayed_once(any_shop: Shop) -> None:
    await any_shop.sell("A")
    orders = [await any_shop.place(basket(("A", 1))) for _ in range(3)]
    for errand in await any_shop.lease():
        await any_shop.bury(errand, "LookupError: no such thing")

    first = await any_shop.dead_letters.list(2, "")
    rest = await any_shop.dead_letters.list(2, first.next_token)
    letters = [*first.items, *rest.items]
    assert sorted(letter.key for letter in letters) == sorted(order.id for order in orders)
    assert {(letter.kind, letter.failure) for letter in letters} == {("settle", "LookupError: no such thing")}
    for key in ("k1", "k1"):
        with any_shop.calling(MANAGER, key):
            await any_shop.dead_letters.replay(letters[0].id, FINGERPRINT)
    await any_shop.work()

    states = {order.id: (await any_shop.order(order)).state for order in orders}
    assert [order_id for order_id, state in states.items() if state is OrderState.COMPLETED] == [
        letters[0].key
    ]
    assert any_shop.signals.replayed == 1
    with any_shop.calling(MANAGER), pytest.raises(DeadLetterNotFound):
        await any_shop.dead_letters.replay(letters[0].id, FINGERPRINT)


async def test_a_name_may_be_used_anew_after_thirty_days(any_shop: Shop) -> None:
    await any_shop.sell("A")
    first = await any_shop.place(basket(("A", 1)), key="k1")

    any_shop.clock.advance(29 * 86_400)
    assert await any_shop.retention.sweep() == 0
    assert (await any_shop.place(basket(("A", 1)), key="k1")).id == first.id
    any_shop.clock.advance(2 * 86_400)
    assert await any_shop.retention.sweep() == 3

    assert (await any_shop.place(basket(("A", 1)), key="k1")).id != first.id
