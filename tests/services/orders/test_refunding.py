"""Refunds: never more than was paid, each once, split over the shares they were paid with."""

from __future__ import annotations

import asyncio
import itertools

import pytest

from servicekit.errors import IdempotencyKeyReused, InvalidArgument
from services.orders.errors import CurrencyMismatch, OrderNotCompleted, OrderNotFound, RefundTooLarge
from services.orders.model import Money, Order, OrderId, OrderState, RefundId
from services.orders.ports import PaymentRefused
from tests.services.orders.fakes import (
    FINGERPRINT,
    MANAGER,
    OTHER_FINGERPRINT,
    Crash,
    Died,
    basket,
    by_card,
    by_gift_card,
    called_by,
    in_cash,
)
from tests.services.orders.shop import Shop

FOREIGN = RefundId("somebody else's")


async def sold(shop: Shop) -> Order:
    """A completed order of 2.50 EUR."""
    order = await shop.place(basket(("A", 1)))
    await shop.work()
    return await shop.order(order)


async def test_a_whole_refund_gives_everything_back(any_shop: Shop) -> None:
    await any_shop.sell("A")
    order = await sold(any_shop)

    await any_shop.refund(order)
    await any_shop.work()

    refunded = await any_shop.order(order)
    assert (refunded.state, refunded.refunded_minor) == (OrderState.REFUNDED, 250)
    assert any_shop.payments.kept(order.id) == 0
    assert await any_shop.units("A") == (9, 0)
    assert any_shop.signals.refunded == [Money("EUR", 250)]


async def test_parts_add_up_to_the_whole(any_shop: Shop) -> None:
    await any_shop.sell("A")
    order = await sold(any_shop)

    states = []
    for minor_units in (100, 149, None):
        await any_shop.refund(order, minor_units)
        await any_shop.work()
        after = await any_shop.order(order)
        states.append((after.state, after.refunded_minor, any_shop.payments.kept(order.id)))

    assert states == [
        (OrderState.PARTIALLY_REFUNDED, 100, 150),
        (OrderState.PARTIALLY_REFUNDED, 249, 1),
        (OrderState.REFUNDED, 250, 0),
    ]


async def test_what_is_promised_already_is_not_promised_again(any_shop: Shop) -> None:
    await any_shop.sell("A")
    order = await sold(any_shop)
    await any_shop.refund(order, 200)

    with pytest.raises(RefundTooLarge) as refusal:
        await any_shop.refund(order, 51)
    await any_shop.refund(order, 50)
    await any_shop.work_until_done()

    assert refusal.value.metadata == {"refundable_minor_units": "50"}
    assert (await any_shop.order(order)).state is OrderState.REFUNDED
    assert any_shop.payments.kept(order.id) == 0


async def test_refunds_at_once_never_give_back_more_than_was_paid(any_shop: Shop) -> None:
    await any_shop.sell("A")
    order = await sold(any_shop)

    answers = await asyncio.gather(*(any_shop.refund(order, 100) for _ in range(5)), return_exceptions=True)
    await any_shop.work_until_done()

    assert sum(isinstance(answer, RefundTooLarge) for answer in answers) == 3
    assert any_shop.payments.kept(order.id) == 50
    assert (await any_shop.order(order)).refunded_minor == 200


async def test_a_split_order_is_paid_back_share_by_share(any_shop: Shop) -> None:
    await any_shop.sell("A")
    tenders = (by_gift_card(100), in_cash(100), by_card(50))
    order = await any_shop.place(basket(("A", 1), tenders=tenders), MANAGER)
    await any_shop.work()

    await any_shop.refund(order, 130)
    await any_shop.refund(order, 100)
    await any_shop.work_until_done()

    after = await any_shop.order(order)
    assert [refund.shares for refund in after.refunds] == [(100, 30, 0), (0, 70, 30)]
    assert (after.refunded_minor, any_shop.payments.kept(order.id)) == (230, 20)


@pytest.mark.parametrize(
    ("amount", "refusal"),
    [
        (Money("EUR", 251), RefundTooLarge),
        (Money("EUR", 0), InvalidArgument),
        (Money("EUR", -1), InvalidArgument),
        (Money("EUR", 2**63), InvalidArgument),
        (Money("USD", 250), CurrencyMismatch),
        (Money("", 250), CurrencyMismatch),
    ],
)
async def test_a_refused_refund_promises_nothing(shop: Shop, amount: Money, refusal: type[Exception]) -> None:
    await shop.sell("A")
    order = await sold(shop)

    with shop.calling(MANAGER), pytest.raises(refusal):
        await shop.refunds.refund(order.id, amount, FINGERPRINT)

    assert await shop.order(order) == order


async def test_only_what_was_completed_is_paid_back(any_shop: Shop) -> None:
    await any_shop.sell("A")
    order = await any_shop.place(basket(("A", 1)))

    with pytest.raises(OrderNotCompleted):
        await any_shop.refund(order)
    await any_shop.work()
    await any_shop.refund(order)
    await any_shop.work()
    with pytest.raises(OrderNotCompleted) as refusal:
        await any_shop.refund(order)

    assert refusal.value.metadata == {"state": "REFUNDED"}


async def test_there_is_no_refund_of_an_unknown_order(shop: Shop) -> None:
    with shop.calling(MANAGER), pytest.raises(OrderNotFound):
        await shop.refunds.refund(OrderId("no order"), None, FINGERPRINT)


async def test_repeating_a_refund_gives_back_once_and_answers_the_same(any_shop: Shop) -> None:
    await any_shop.sell("A")
    order = await sold(any_shop)
    await any_shop.refund(order, 100, key="k1")
    await any_shop.work()
    first = await any_shop.refund(order, 100, key="k1")
    await any_shop.refund(order, 50)
    await any_shop.work()

    again = await any_shop.refund(order, 100, key="k1")

    assert (again.state, again.refunded_minor) == (OrderState.PARTIALLY_REFUNDED, 100)
    assert (again.sequence, again.updated_at) == (first.sequence, first.updated_at)
    assert any_shop.payments.kept(order.id) == 100
    with any_shop.calling(MANAGER, "k1"), pytest.raises(IdempotencyKeyReused):
        await any_shop.refunds.refund(order.id, Money("EUR", 1), OTHER_FINGERPRINT)


async def test_a_repeated_order_is_answered_as_it_was_before_its_refund(any_shop: Shop) -> None:
    await any_shop.sell("A")
    await any_shop.place(basket(("A", 1)), key="k1")
    await any_shop.work()
    first = await any_shop.place(basket(("A", 1)), key="k1")
    await any_shop.refund(first)
    await any_shop.work()

    again = await any_shop.place(basket(("A", 1)), key="k1")

    assert (again.state, again.refunded_minor) == (OrderState.COMPLETED, 0)
    assert (again.sequence, again.updated_at, again.payment_ids) == (
        first.sequence,
        first.updated_at,
        first.payment_ids,
    )


async def test_a_refund_survives_a_death_at_every_point(any_shop: Shop) -> None:
    await any_shop.sell("A", units=100)
    for point in itertools.count():
        order = await sold(any_shop)
        crash, died = Crash(point), False
        store, payments = crash.before(any_shop.store), crash.before(any_shop.payments)
        try:
            with called_by(MANAGER, f"r{point}", deadline=any_shop.clock.monotonic()):
                await any_shop.refunds_on(store).refund(order.id, Money("EUR", 100), FINGERPRINT)
            for errand in await any_shop.lease():
                await any_shop.settling(store, payments).settle(errand)
        except Died:
            died = True
        await any_shop.refund(order, 100, key=f"r{point}")
        await any_shop.work_until_done()

        assert (await any_shop.order(order)).refunded_minor == 100
        assert any_shop.payments.kept(order.id) == 150
        if not died:
            break

    assert point > 20


async def test_a_refund_without_an_answer_is_asked_for_again_under_its_name(any_shop: Shop) -> None:
    await any_shop.sell("A")
    order = await sold(any_shop)
    await any_shop.refund(order, 100)
    any_shop.payments.lost_answers = 2

    await any_shop.work_until_done()

    assert any_shop.payments.kept(order.id) == 150


async def test_a_refund_that_payments_will_not_make_is_left_to_a_person(shop: Shop) -> None:
    await shop.sell("A")
    order = await sold(shop)
    await shop.payments.refund(shop.payments.id_of(order.id, 0), Money("EUR", 200), FOREIGN)
    await shop.refund(order, 100)
    (errand,) = await shop.lease()

    with pytest.raises(PaymentRefused):
        await shop.settling().settle(errand)

    assert (await shop.order(order)).refunded_minor == 0
