"""Restricted items: nobody pays before somebody looked, and what was seen is kept without a birth date."""

from __future__ import annotations

import dataclasses
import itertools

import pytest

from servicekit.errors import InvalidArgument
from services.orders.errors import NoAgeCheckAwaited, OrderNotFound
from services.orders.model import AgeCheckMethod, AgeVerification, EventName, Order, OrderId, OrderState
from tests.services.orders.fakes import (
    ALICE,
    CASHIER,
    DECLINED,
    FINGERPRINT,
    Crash,
    Died,
    basket,
    called_by,
)
from tests.services.orders.shop import Shop

QUARTER_OF_AN_HOUR = 900


async def place_wine(shop: Shop, units: int = 1) -> Order:
    return await shop.place(basket(("WINE", units), ("BREAD", 1)))


async def open_with_wine(shop: Shop, units: int = 10) -> None:
    await shop.sell("WINE", units=units, age=18)
    await shop.sell("BREAD", units=units, age=0)


async def test_restricted_items_wait_for_an_age_check_and_ask_nobody_for_money(any_shop: Shop) -> None:
    await open_with_wine(any_shop)

    order = await place_wine(any_shop)
    await any_shop.work()

    assert (order.state, order.minimum_age) == (OrderState.AWAITING_AGE_CHECK, 18)
    assert await any_shop.order(order) == order
    assert not any_shop.payments.holds
    assert await any_shop.units("WINE") == (10, 1)


async def test_a_buyer_of_age_gets_the_order(any_shop: Shop) -> None:
    await open_with_wine(any_shop)
    order = await place_wine(any_shop)

    await any_shop.verify(order, method="passport")
    await any_shop.work()

    assert (await any_shop.order(order)).state is OrderState.COMPLETED
    assert await any_shop.store.age_checks.of(order.id) == AgeVerification(
        order.id, CASHIER.subject, AgeCheckMethod.PASSPORT, 18, is_met=True, verified_at=any_shop.clock.now()
    )
    assert any_shop.signals.ages == [("passport", True)]
    assert [event.name for event in await any_shop.store.orders.events(order.id, 0, 9)] == [
        EventName.ORDER_CREATED,
        EventName.AGE_CHECK_AWAITED,
        EventName.AGE_VERIFIED,
        EventName.ORDER_AUTHORIZED,
        EventName.ORDER_COMPLETED,
    ]


async def test_a_buyer_who_is_too_young_is_an_outcome(any_shop: Shop) -> None:
    await open_with_wine(any_shop)
    order = await place_wine(any_shop)

    rejected = await any_shop.verify(order, is_met=False)

    assert (rejected.state, rejected.state_reason) == (OrderState.REJECTED, "AGE_NOT_MET")
    assert (await any_shop.units("WINE"), await any_shop.units("BREAD")) == ((10, 0), (10, 0))
    assert not any_shop.payments.holds
    assert any_shop.signals.rejected == ["AGE_NOT_MET"]


async def test_a_check_is_made_once(any_shop: Shop) -> None:
    await open_with_wine(any_shop)
    order = await place_wine(any_shop)
    first = await any_shop.verify(order, is_met=False, key="k1")

    again = await any_shop.verify(order, is_met=False, key="k1")
    with pytest.raises(NoAgeCheckAwaited) as refusal:
        await any_shop.verify(order, is_met=True)

    assert again == first
    assert refusal.value.metadata == {"state": "REJECTED"}


async def test_a_check_is_never_changed_or_removed(any_shop: Shop) -> None:
    await open_with_wine(any_shop)
    order = await place_wine(any_shop)
    await any_shop.verify(order, is_met=True)
    check = await any_shop.store.age_checks.of(order.id)
    assert check is not None

    with pytest.raises(Exception, match=r"checked before|duplicate key"):
        async with any_shop.store.transaction() as tx:
            await tx.age_checks.add(dataclasses.replace(check, is_met=False))

    assert await any_shop.store.age_checks.of(order.id) == check


@pytest.mark.parametrize("method", ["", "birth_date", "IDENTITY_CARD", "identity_card "])
async def test_how_the_age_was_checked_is_one_of_a_few(shop: Shop, method: str) -> None:
    await open_with_wine(shop)
    order = await place_wine(shop)

    with pytest.raises(InvalidArgument):
        await shop.verify(order, method=method)

    assert await shop.order(order) == order


async def test_an_order_without_restricted_items_waits_for_no_check(any_shop: Shop) -> None:
    await open_with_wine(any_shop)
    order = await any_shop.place(basket(("BREAD", 1)))

    with pytest.raises(NoAgeCheckAwaited):
        await any_shop.verify(order)
    with any_shop.calling(CASHIER), pytest.raises(OrderNotFound):
        await any_shop.age_verifications.verify(
            OrderId("no order"), "passport", is_met=True, fingerprint=FINGERPRINT
        )


async def test_an_order_that_nobody_checks_is_called_off(any_shop: Shop) -> None:
    await open_with_wine(any_shop)
    order = await place_wine(any_shop)

    any_shop.clock.advance(QUARTER_OF_AN_HOUR)
    await any_shop.closings.sweep()

    cancelled = await any_shop.order(order)
    assert (cancelled.state, cancelled.state_reason) == (OrderState.CANCELLED, "AGE_NOT_CHECKED")
    assert await any_shop.units("WINE") == (10, 0)
    assert await any_shop.lease() == []


async def test_an_order_that_waits_is_cancelled_at_once(any_shop: Shop) -> None:
    await open_with_wine(any_shop)
    order = await place_wine(any_shop)

    cancelled = await any_shop.cancel(order, ALICE)

    assert cancelled.state is OrderState.CANCELLED
    assert await any_shop.units("WINE") == (10, 0)


async def test_a_verified_buyer_may_still_be_declined(any_shop: Shop) -> None:
    await open_with_wine(any_shop)
    order = await any_shop.place(basket(("WINE", 1), card=DECLINED))
    await any_shop.verify(order)

    await any_shop.work()

    assert (await any_shop.order(order)).state_reason == "INSUFFICIENT_FUNDS"


@pytest.mark.parametrize("is_met", [True, False])
async def test_a_check_survives_a_death_at_every_point(any_shop: Shop, is_met: bool) -> None:
    await open_with_wine(any_shop, units=100)
    for point in itertools.count():
        order = await any_shop.place(basket(("WINE", 1)))
        crash, died = Crash(point), False
        ages = any_shop.age_verifications_on(crash.before(any_shop.store))
        try:
            with called_by(CASHIER, f"v{point}", deadline=any_shop.clock.monotonic()):
                await ages.verify(order.id, "passport", is_met=is_met, fingerprint=FINGERPRINT)
        except Died:
            died = True
        await any_shop.verify(order, is_met=is_met, method="passport", key=f"v{point}")
        await any_shop.work_until_done()

        expected = OrderState.COMPLETED if is_met else OrderState.REJECTED
        assert (await any_shop.order(order)).state is expected
        assert (await any_shop.units("WINE"))[1] == 0
        if not died:
            break

    assert point > 8


def test_no_birth_date_is_kept() -> None:
    kept = {field.name for field in dataclasses.fields(AgeVerification)}

    assert kept == {"order_id", "verified_by", "method", "minimum_age", "is_met", "verified_at"}
