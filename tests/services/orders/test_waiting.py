"""How long a buyer waits for an order to settle, and who tells it."""

from __future__ import annotations

import asyncio
from types import SimpleNamespace
from typing import Any

import pytest

from servicekit.errors import StoreUnavailable
from services.orders.model import Basket, Order, OrderId, OrderState
from services.orders.usecases import Answering, Changes
from tests.services.orders.fakes import ALICE, FINGERPRINT, basket, called_by
from tests.services.orders.shop import Shop

TEN_SECONDS = 10.0


@pytest.fixture
async def stocked(shop: Shop) -> Shop:
    await shop.sell("A")
    return shop


async def place_and_wait(shop: Shop, wanted: Basket, key: str = "", seconds: float = TEN_SECONDS) -> Order:
    with called_by(ALICE, key, deadline=shop.clock.monotonic() + seconds):
        return await shop.ordering.place(wanted, FINGERPRINT)


async def until_waiting(shop: Shop, calls: int = 1) -> None:
    while shop.clock.sleepers < calls:
        await asyncio.sleep(0)


async def test_the_local_worker_ends_the_wait(stocked: Shop) -> None:
    async with asyncio.TaskGroup() as group:
        placing = group.create_task(place_and_wait(stocked, basket(("A", 1))))
        await until_waiting(stocked)
        await stocked.work()

    assert placing.result().state is OrderState.COMPLETED
    assert stocked.signals.answered_open == 0


async def test_a_call_is_answered_500_ms_before_its_deadline(stocked: Shop) -> None:
    async with asyncio.TaskGroup() as group:
        placing = group.create_task(place_and_wait(stocked, basket(("A", 1))))
        await until_waiting(stocked)

        stocked.clock.advance(9.4)
        await asyncio.sleep(0.01)
        assert not placing.done()
        stocked.clock.advance(0.2)

    assert placing.result().state is OrderState.PENDING
    assert stocked.signals.answered_open == 1


async def test_what_another_replica_settles_is_seen_in_the_store(stocked: Shop) -> None:
    elsewhere = Changes(stocked.clock)
    async with asyncio.TaskGroup() as group:
        placing = group.create_task(place_and_wait(stocked, basket(("A", 1))))
        await until_waiting(stocked)
        here, stocked.changes = stocked.changes, elsewhere
        await stocked.work()
        assert not placing.done()

        await here.look(stocked.store)

    assert placing.result().state is OrderState.COMPLETED


async def test_a_process_that_stops_answers_with_the_state_reached(stocked: Shop) -> None:
    async with asyncio.TaskGroup() as group:
        placing = group.create_task(place_and_wait(stocked, basket(("A", 1))))
        await until_waiting(stocked)

        stocked.changes.release()

    assert placing.result().state is OrderState.PENDING


async def test_nobody_waits_in_a_process_that_has_stopped(stocked: Shop) -> None:
    stocked.changes.release()

    order = await place_and_wait(stocked, basket(("A", 1)))

    assert order.state is OrderState.PENDING


async def test_whoever_waits_for_one_order_gets_the_same_answer(stocked: Shop) -> None:
    async with asyncio.TaskGroup() as group:
        calls = [group.create_task(place_and_wait(stocked, basket(("A", 1)), "k1")) for _ in range(5)]
        await until_waiting(stocked, calls=5)
        await stocked.work()

    assert len({call.result() for call in calls}) == 1
    assert calls[0].result().state is OrderState.COMPLETED


async def test_a_call_that_is_given_up_leaves_no_trace(stocked: Shop) -> None:
    async with asyncio.TaskGroup() as group:
        placing = group.create_task(place_and_wait(stocked, basket(("A", 1))))
        await until_waiting(stocked)

        placing.cancel()

    assert not stocked.changes.awaited


class AwayOrders:
    """Orders of a store that has gone away."""

    async def get(self, order_id: OrderId) -> Order:
        raise StoreUnavailable("away")


async def test_an_accepted_order_is_answered_even_if_the_store_goes_away(stocked: Shop) -> None:
    store: Any = SimpleNamespace(transaction=stocked.store.transaction, orders=AwayOrders())
    stocked.answering = Answering(store, stocked.changes, stocked.signals, stocked.clock)
    ordering = stocked.ordering_on(store)

    with called_by(ALICE, deadline=stocked.clock.monotonic()):
        order = await ordering.place(basket(("A", 1)), FINGERPRINT)

    assert await stocked.order(order) == order
