"""One caller, one key, one order, one charge."""

from __future__ import annotations

import asyncio

import pytest

from servicekit.context import RequestContext, scope
from servicekit.errors import IdempotencyKeyInFlight, IdempotencyKeyReused, InvalidArgument
from servicekit.postgres import Database, Query
from services.orders.errors import OutOfStock
from services.orders.model import Order, OrderState
from tests.services.orders.fakes import ALICE, BOB, FINGERPRINT, OTHER_FINGERPRINT, basket
from tests.services.orders.shop import Shop

HELD_KEY = Query(
    "test.held_key",
    """
    INSERT INTO idempotency_keys (caller, operation, key, fingerprint, made, created_at)
    VALUES ('alice', 'orders.create', 'k1', $1, 'another', now())
    """,
)


async def test_repeating_a_key_places_one_order_and_charges_once(any_shop: Shop) -> None:
    await any_shop.sell("A")
    first = await any_shop.place(basket(("A", 1)), key="k1")
    again = await any_shop.place(basket(("A", 1)), key="k1")

    await any_shop.work()

    assert again == first
    assert any_shop.payments.charges == {first.id: 1}
    assert await any_shop.units("A") == (9, 0)
    assert any_shop.signals.created == 1


async def test_repeating_a_key_answers_with_the_order_as_it_now_is(any_shop: Shop) -> None:
    await any_shop.sell("A", units=1)
    first = await any_shop.place(basket(("A", 1)), key="k1")
    await any_shop.work()

    again = await any_shop.place(basket(("A", 1)), key="k1")

    assert (again.id, again.state) == (first.id, OrderState.COMPLETED)


async def test_a_key_is_not_used_for_another_order(any_shop: Shop) -> None:
    await any_shop.sell("A")
    await any_shop.place(basket(("A", 1)), key="k1")

    with pytest.raises(IdempotencyKeyReused):
        await any_shop.place(basket(("A", 2)), key="k1", fingerprint=OTHER_FINGERPRINT)

    assert await any_shop.units("A") == (10, 1)


async def test_two_callers_may_use_one_key(any_shop: Shop) -> None:
    await any_shop.sell("A")

    hers = await any_shop.place(basket(("A", 1)), ALICE, "k1")
    his = await any_shop.place(basket(("A", 1)), BOB, "k1")

    assert hers.id != his.id


async def test_a_refused_order_leaves_its_key_free(any_shop: Shop) -> None:
    await any_shop.sell("A", units=1)
    with pytest.raises(OutOfStock):
        await any_shop.place(basket(("A", 2)), key="k1")

    order = await any_shop.place(basket(("A", 1)), key="k1", fingerprint=OTHER_FINGERPRINT)

    assert order.state is OrderState.PENDING


async def test_fifty_calls_with_one_key_place_one_order_and_charge_once(any_shop: Shop) -> None:
    await any_shop.sell("A", units=1)

    async def call() -> Order:
        return await any_shop.place(basket(("A", 1)), key="k1")

    answers = await asyncio.gather(*(call() for _ in range(50)))
    await any_shop.work()

    (order_id,) = {answer.id for answer in answers}
    assert any_shop.payments.charges == {order_id: 1}
    assert await any_shop.units("A") == (0, 0)


async def test_fifty_calls_with_fifty_keys_place_fifty_orders(any_shop: Shop) -> None:
    """The negative control of the test above: it is the key that makes them one."""
    await any_shop.sell("A", units=50)

    answers = await asyncio.gather(*(any_shop.place(basket(("A", 1))) for _ in range(50)))
    await any_shop.work()

    assert len(any_shop.payments.charges) == len({answer.id for answer in answers}) == 50


async def test_a_key_whose_call_hangs_is_in_flight(stored_shop: Shop, database: Database) -> None:
    await stored_shop.sell("A")

    async with database.transaction() as hanging:
        await hanging.execute(HELD_KEY, FINGERPRINT)
        with pytest.raises(IdempotencyKeyInFlight):
            await stored_shop.place(basket(("A", 1)), key="k1")

    assert await stored_shop.units("A") == (10, 0)


@pytest.mark.parametrize("key", ["", "x" * 256])
async def test_a_key_that_cannot_be_kept_is_refused(shop: Shop, key: str) -> None:
    await shop.sell("A")

    with (
        scope(RequestContext(caller=ALICE, idempotency_key=key)),
        pytest.raises(InvalidArgument),
    ):
        await shop.ordering.place(basket(("A", 1)), FINGERPRINT)
