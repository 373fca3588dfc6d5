"""Letting go of money, before it was asked for, while it is, and after."""

import asyncio

import pytest

from servicekit.clock import uuid7
from services.payments.errors import AlreadyCaptured, NotAuthorized, PaymentNotFound
from services.payments.model import AttemptState, OrderId, PaymentState, payment_id
from services.payments.store.memory import MemoryStore
from tests.services.payments.fakes import EMPTY_CARD, TEN_EUROS, VISA, Misfortune, Shop

ORDER = OrderId("019ab1c2-0000-7000-8000-000000000001")
PAYMENT = payment_id(ORDER)


async def test_what_is_held_is_let_go_of_once(shop: Shop[MemoryStore]) -> None:
    held = await shop.payments.authorize(ORDER, TEN_EUROS, VISA)

    voided = await shop.payments.void(held.id)
    again = await shop.payments.void(held.id)

    assert (voided.state, voided.held_minor) == (PaymentState.VOIDED, 0)
    assert again == voided
    assert shop.provider.cancelled == ["pi_0"]
    assert await shop.bookkeeping.compare() == []


async def test_a_void_that_arrives_first_is_found_by_the_authorization(shop: Shop[MemoryStore]) -> None:
    called_off = await shop.payments.void(PAYMENT)

    late = await shop.payments.authorize(ORDER, TEN_EUROS, VISA)
    again = await shop.payments.authorize(ORDER, TEN_EUROS, VISA)

    assert called_off.state is late.state is PaymentState.VOIDED
    assert (late.order_id, late.amount) == (ORDER, TEN_EUROS)
    assert again == late
    assert shop.provider.asked == 0


async def test_a_void_between_making_and_holding_leaves_nothing_held(shop: Shop[MemoryStore]) -> None:
    shop.provider.pause.clear()
    authorizing = asyncio.create_task(shop.payments.authorize(ORDER, TEN_EUROS, VISA))
    while not shop.provider.asked:
        await asyncio.sleep(0)

    voided = await shop.payments.void(PAYMENT)
    shop.provider.pause.set()
    authorized = await authorizing

    assert voided.state is authorized.state is PaymentState.VOIDED
    assert shop.provider.held == []
    (attempt,) = await shop.store.attempts(PAYMENT)
    assert (attempt.state, attempt.detail) == (AttemptState.DECLINED, "called_off")


async def test_a_void_after_a_lost_hold_cancels_it(shop: Shop[MemoryStore]) -> None:
    shop.provider.misfortunes.append(Misfortune.LOST_ON_THE_WAY_BACK)
    unknown = await shop.payments.authorize(ORDER, TEN_EUROS, VISA)

    voided = await shop.payments.void(unknown.id)

    assert voided.state is PaymentState.VOIDED
    assert (shop.provider.held, shop.provider.cancelled) == (["pi_0"], ["pi_0"])
    assert await shop.bookkeeping.compare() == []


@pytest.mark.parametrize("misfortune", [Misfortune.LOST_ON_THE_WAY, Misfortune.LOST_ON_THE_WAY_BACK])
async def test_a_void_without_an_answer_can_be_repeated(
    shop: Shop[MemoryStore], misfortune: Misfortune
) -> None:
    held = await shop.payments.authorize(ORDER, TEN_EUROS, VISA)
    shop.provider.misfortunes.append(misfortune)

    unknown = await shop.payments.void(held.id)
    voided = await shop.payments.void(held.id)

    assert (unknown.state, voided.state) == (PaymentState.UNKNOWN, PaymentState.VOIDED)
    assert shop.provider.cancelled == ["pi_0"]


async def test_what_was_taken_cannot_be_let_go_of(shop: Shop[MemoryStore]) -> None:
    held = await shop.payments.authorize(ORDER, TEN_EUROS, VISA)
    taken = await shop.payments.capture(held.id)

    with pytest.raises(AlreadyCaptured):
        await shop.payments.void(held.id)

    assert await shop.payments.get(held.id) == taken


async def test_a_capture_that_is_not_answered_is_seen_through_before_a_void(shop: Shop[MemoryStore]) -> None:
    held = await shop.payments.authorize(ORDER, TEN_EUROS, VISA)
    shop.provider.misfortunes.append(Misfortune.LOST_ON_THE_WAY)
    await shop.payments.capture(held.id)

    with pytest.raises(AlreadyCaptured):
        await shop.payments.void(held.id)

    assert shop.provider.taken == ["pi_0"]


async def test_a_declined_payment_holds_nothing_and_stays_declined(shop: Shop[MemoryStore]) -> None:
    declined = await shop.payments.authorize(ORDER, TEN_EUROS, EMPTY_CARD)

    assert await shop.payments.void(declined.id) == declined


async def test_what_was_let_go_of_cannot_be_taken(shop: Shop[MemoryStore]) -> None:
    held = await shop.payments.authorize(ORDER, TEN_EUROS, VISA)
    await shop.payments.void(held.id)

    with pytest.raises(NotAuthorized):
        await shop.payments.capture(held.id)


async def test_what_is_no_id_cannot_be_let_go_of(shop: Shop[MemoryStore]) -> None:
    with pytest.raises(PaymentNotFound):
        await shop.payments.void("payment-1")


async def test_another_order_is_not_called_off(shop: Shop[MemoryStore]) -> None:
    await shop.payments.void(PAYMENT)

    assert (await shop.payments.authorize(uuid7(), TEN_EUROS, VISA)).state is PaymentState.AUTHORIZED
