"""Orders that end otherwise: money goes back before stock does, whoever or whatever ends them."""

from __future__ import annotations

import itertools

import pytest

from services.orders.errors import OrderNotFound, OrderSettled
from services.orders.model import EventName, MovementReason, Order, OrderState, Sku
from services.orders.usecases.closing import BY_BUYER, BY_STAFF
from tests.services.orders.fakes import (
    ALICE,
    BOB,
    CASHIER,
    DECLINED,
    FINGERPRINT,
    LAPSES,
    UNKNOWN_ONCE,
    VISA,
    Crash,
    Died,
    basket,
    by_card,
    by_gift_card,
    called_by,
)
from tests.services.orders.shop import Shop

QUARTER_OF_AN_HOUR = 900


async def place_split(shop: Shop, first: str, second: str) -> Order:
    tenders = (by_gift_card(100), by_card(100, first), by_card(50, second))
    return await shop.place(basket(("A", 1), tenders=tenders))


def money(shop: Shop, order: Order) -> tuple[int, int]:
    """What is held, and what was kept."""
    return shop.payments.held(order.id), shop.payments.kept(order.id)


async def test_a_buyer_cancels_before_anybody_was_asked_for_money(any_shop: Shop) -> None:
    await any_shop.sell("A")
    order = await any_shop.place(basket(("A", 1)))

    await any_shop.cancel(order)
    assert await any_shop.units("A") == (10, 1)
    await any_shop.work()

    cancelled = await any_shop.order(order)
    assert (cancelled.state, cancelled.state_reason) == (OrderState.CANCELLED, BY_BUYER)
    assert await any_shop.units("A") == (10, 0)
    assert money(any_shop, order) == (0, 0)
    assert any_shop.signals.cancelled == [BY_BUYER]


async def test_money_that_may_be_held_is_let_go_of_before_the_stock(any_shop: Shop) -> None:
    await any_shop.sell("A")
    order = await any_shop.place(basket(("A", 1), card=UNKNOWN_ONCE))
    await any_shop.work()
    any_shop.payments.outages = 1

    await any_shop.cancel(order)
    await any_shop.work()
    assert await any_shop.units("A") == (10, 1)
    await any_shop.work_until_done()

    assert (await any_shop.order(order)).state is OrderState.CANCELLED
    assert (await any_shop.units("A"), money(any_shop, order)) == ((10, 0), (0, 0))


async def test_an_authorisation_that_arrives_after_the_cancellation_holds_nothing(any_shop: Shop) -> None:
    await any_shop.sell("A")
    order = await any_shop.place(basket(("A", 1)))
    await any_shop.cancel(order)
    await any_shop.work()

    payment = await any_shop.payments.authorize(order.id, 0, order.tenders[0])

    assert (payment.state.is_nothing, money(any_shop, order)) == (True, (0, 0))


async def test_money_that_was_taken_meanwhile_is_given_back(any_shop: Shop) -> None:
    await any_shop.sell("A")
    order = await any_shop.place(basket(("A", 1)))
    payment = await any_shop.payments.authorize(order.id, 0, order.tenders[0])
    await any_shop.payments.capture(payment.id)

    await any_shop.cancel(order)
    await any_shop.work_until_done()

    assert (await any_shop.order(order)).state is OrderState.CANCELLED
    assert (await any_shop.units("A"), money(any_shop, order)) == ((10, 0), (0, 0))


async def test_the_staff_cancel_any_order_and_strangers_none(any_shop: Shop) -> None:
    await any_shop.sell("A")
    order = await any_shop.place(basket(("A", 1)), ALICE)

    with pytest.raises(OrderNotFound):
        await any_shop.cancel(order, BOB)
    await any_shop.cancel(order, CASHIER)
    await any_shop.work()

    assert (await any_shop.order(order)).state_reason == BY_STAFF


async def test_a_completed_order_is_not_cancelled(any_shop: Shop) -> None:
    await any_shop.sell("A")
    order = await any_shop.place(basket(("A", 1)))
    await any_shop.work()

    with pytest.raises(OrderSettled) as refusal:
        await any_shop.cancel(order)

    assert refusal.value.metadata == {"state": "COMPLETED"}
    assert await any_shop.units("A") == (9, 0)


async def test_repeating_a_cancellation_answers_the_same(any_shop: Shop) -> None:
    await any_shop.sell("A")
    order = await any_shop.place(basket(("A", 1)))

    await any_shop.cancel(order, key="k1")
    await any_shop.work()
    first = await any_shop.cancel(order, key="k1")

    assert first == await any_shop.cancel(order, key="k1") == await any_shop.order(order)
    assert any_shop.signals.cancelled == [BY_BUYER]


@pytest.mark.parametrize(("first", "second"), [(DECLINED, VISA), (VISA, DECLINED)])
async def test_one_declined_share_lets_go_of_the_others(any_shop: Shop, first: str, second: str) -> None:
    await any_shop.sell("A")
    order = await place_split(any_shop, first, second)

    await any_shop.work()

    rejected = await any_shop.order(order)
    assert (rejected.state, rejected.state_reason) == (OrderState.REJECTED, "INSUFFICIENT_FUNDS")
    assert (await any_shop.units("A"), money(any_shop, order)) == ((10, 0), (0, 0))
    assert any_shop.payments.holds[order.id] == (1 if first == DECLINED else 2)


async def test_a_hold_that_lapsed_gives_back_what_other_shares_had_paid(any_shop: Shop) -> None:
    await any_shop.sell("A")
    order = await place_split(any_shop, VISA, LAPSES)

    await any_shop.work()

    rejected = await any_shop.order(order)
    assert (rejected.state, rejected.state_reason) == (OrderState.REJECTED, "PAYMENT_NOT_HELD")
    assert any_shop.payments.charges[order.id] == 2
    assert (await any_shop.units("A"), money(any_shop, order)) == ((10, 0), (0, 0))


@pytest.mark.parametrize(("first", "second"), [(VISA, DECLINED), (VISA, LAPSES), (VISA, VISA)])
async def test_a_split_order_survives_a_death_at_every_point(any_shop: Shop, first: str, second: str) -> None:
    await any_shop.sell("A", units=1000)
    is_paid = second == VISA
    for point in itertools.count():
        order = await place_split(any_shop, first, second)
        (errand,) = [one for one in await any_shop.lease() if one.order_id == order.id]
        crash, died = Crash(point), False
        settling = any_shop.settling(crash.before(any_shop.store), crash.before(any_shop.payments))
        try:
            await settling.settle(errand)
        except Died:
            died = True
        await any_shop.work_until_done()

        expected = OrderState.COMPLETED if is_paid else OrderState.REJECTED
        assert (await any_shop.order(order)).state is expected
        assert money(any_shop, order) == (0, 250 if is_paid else 0)
        assert any_shop.payments.charges[order.id] <= 3
        assert (await any_shop.units("A"))[1] == 0
        if not died:
            break

    assert point > 20


async def test_a_cancellation_survives_a_death_at_every_point(any_shop: Shop) -> None:
    await any_shop.sell("A", units=100)
    for point in itertools.count():
        order = await any_shop.place(basket(("A", 1)))
        crash, died = Crash(point), False
        with called_by(ALICE, f"c{point}", deadline=any_shop.clock.monotonic()):
            try:
                await any_shop.closings_on(crash.before(any_shop.store)).cancel(order.id, FINGERPRINT)
            except Died:
                died = True
        await any_shop.cancel(order, key=f"c{point}")
        await any_shop.work_until_done()

        assert (await any_shop.order(order)).state is OrderState.CANCELLED
        assert (await any_shop.units("A"), money(any_shop, order)) == ((100, 0), (0, 0))
        if not died:
            break

    assert point > 8


async def test_an_order_past_its_reservation_is_called_off(any_shop: Shop) -> None:
    await any_shop.sell("A")
    order = await any_shop.place(basket(("A", 1)))
    any_shop.payments.outages = 1
    await any_shop.work()

    any_shop.clock.advance(QUARTER_OF_AN_HOUR)
    assert await any_shop.closings.sweep() == 1
    assert await any_shop.units("A") == (10, 1)
    await any_shop.work_until_done()

    cancelled = await any_shop.order(order)
    assert (cancelled.state, cancelled.state_reason) == (OrderState.CANCELLED, "RESERVATION_EXPIRED")
    assert await any_shop.units("A") == (10, 0)


async def test_a_reservation_that_ended_keeps_its_stock_while_money_may_be_held(any_shop: Shop) -> None:
    await any_shop.sell("A", units=1)
    order = await any_shop.place(basket(("A", 1), card=UNKNOWN_ONCE))
    await any_shop.work()
    any_shop.payments.outages = 1_000

    any_shop.clock.advance(QUARTER_OF_AN_HOUR)
    for _ in range(3):
        await any_shop.closings.sweep()
        await any_shop.work()
        any_shop.expire()
        assert await any_shop.units("A") == (1, 1)
        assert not (await any_shop.order(order)).is_settled
    any_shop.payments.outages = 0
    await any_shop.work_until_done()

    assert (await any_shop.units("A"), money(any_shop, order)) == ((1, 0), (0, 0))


async def test_what_is_settled_or_closing_or_new_is_not_called_off(any_shop: Shop) -> None:
    await any_shop.sell("A")
    await any_shop.place(basket(("A", 1)))
    await any_shop.work()
    closing = await any_shop.place(basket(("A", 1)))
    await any_shop.cancel(closing)
    any_shop.clock.advance(QUARTER_OF_AN_HOUR)
    await any_shop.place(basket(("A", 1)))

    assert await any_shop.closings.sweep() == 0


async def test_the_history_of_a_stock_tells_every_order(any_shop: Shop) -> None:
    await any_shop.sell("A")
    sold = await any_shop.place(basket(("A", 2)))
    await any_shop.work()
    cancelled = await any_shop.place(basket(("A", 3)))
    await any_shop.cancel(cancelled)
    await any_shop.work()

    history = await any_shop.store.inventory.movements(Sku("A"), None, 10)

    assert [(one.number, one.reason, one.quantity, one.order_id) for one in reversed(history)] == [
        (1, MovementReason.DELIVERED, 10, None),
        (2, MovementReason.RESERVED, 2, sold.id),
        (3, MovementReason.SOLD, 2, sold.id),
        (4, MovementReason.RESERVED, 3, cancelled.id),
        (5, MovementReason.RELEASED, 3, cancelled.id),
    ]
    assert [(one.on_hand, one.reserved) for one in history] == [(8, 0), (8, 3), (8, 0), (10, 2), (10, 0)]


async def test_the_events_tell_why(any_shop: Shop) -> None:
    await any_shop.sell("A")
    order = await any_shop.place(basket(("A", 1)))
    await any_shop.cancel(order)
    await any_shop.work()

    events = await any_shop.store.orders.events(order.id, 0, 10)

    assert [(event.sequence, event.name) for event in events] == [
        (1, EventName.ORDER_CREATED),
        (2, EventName.CANCELLATION_REQUESTED),
        (3, EventName.ORDER_CANCELLED),
    ]
