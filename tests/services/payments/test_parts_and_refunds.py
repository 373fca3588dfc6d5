"""Taking a part, giving back, and what is refused of both."""

import asyncio
from collections.abc import Awaitable
from typing import Any

import pytest

from servicekit.clock import uuid7
from servicekit.errors import InvalidArgument
from services.payments.errors import (
    AlreadyCaptured,
    CaptureTooLarge,
    CurrencyMismatch,
    NotCaptured,
    PaymentNotFound,
    RefundMismatch,
    RefundTooLarge,
    RefundUnsettled,
)
from services.payments.model import Money, Payment, PaymentState
from services.payments.store.memory import MemoryStore
from tests.services.payments.fakes import EMPTY_CARD, TEN_EUROS, VISA, Misfortune, Shop


def euros(minor_units: int) -> Money:
    return Money("EUR", minor_units)


async def captured(shop: Shop[MemoryStore]) -> Payment:
    held = await shop.payments.authorize(uuid7(), TEN_EUROS, VISA)
    return await shop.payments.capture(held.id)


async def refused(call: Awaitable[Any], kind: type[Exception]) -> None:
    with pytest.raises(kind):
        await call


async def test_a_part_is_taken_and_the_rest_let_go(shop: Shop[MemoryStore]) -> None:
    held = await shop.payments.authorize(uuid7(), TEN_EUROS, VISA)

    taken = await shop.payments.capture(held.id, euros(400))

    assert (taken.state, taken.captured_minor, taken.held_minor) == (PaymentState.CAPTURED, 400, 0)
    assert await shop.payments.capture(held.id, euros(400)) == taken
    assert await shop.payments.capture(held.id) == taken
    await refused(shop.payments.capture(held.id, euros(401)), AlreadyCaptured)
    assert shop.provider.taken == ["pi_0"]
    assert await shop.bookkeeping.compare() == []


@pytest.mark.parametrize(
    ("amount", "refusal"),
    [
        (euros(1001), CaptureTooLarge),
        (Money("USD", 1000), CurrencyMismatch),
        (euros(0), InvalidArgument),
        (euros(2**63), InvalidArgument),
        (Money("", 1), InvalidArgument),
    ],
)
async def test_what_cannot_be_taken_is_refused_and_stays_held(
    shop: Shop[MemoryStore], amount: Money, refusal: type[Exception]
) -> None:
    held = await shop.payments.authorize(uuid7(), TEN_EUROS, VISA)

    await refused(shop.payments.capture(held.id, amount), refusal)

    assert await shop.payments.get(held.id) == held
    assert shop.provider.taken == []


async def test_a_capture_of_another_amount_does_not_follow_one_without_an_answer(
    shop: Shop[MemoryStore],
) -> None:
    held = await shop.payments.authorize(uuid7(), TEN_EUROS, VISA)
    shop.provider.misfortunes.append(Misfortune.LOST_ON_THE_WAY)
    await shop.payments.capture(held.id, euros(400))

    await refused(shop.payments.capture(held.id, euros(500)), AlreadyCaptured)

    assert (await shop.payments.capture(held.id, euros(400))).captured_minor == 400


async def test_money_is_given_back_in_parts_once_for_each_name(shop: Shop[MemoryStore]) -> None:
    payment = await captured(shop)
    first, second = uuid7(), uuid7()

    part = await shop.refunds.refund(payment.id, first, euros(400))
    again = await shop.refunds.refund(payment.id, first.upper(), euros(400))
    rest = await shop.refunds.refund(payment.id, second)

    assert (part.state, part.refunded_minor) == (PaymentState.PARTIALLY_REFUNDED, 400)
    assert again == part
    assert (rest.state, rest.refunded_minor) == (PaymentState.REFUNDED, 1000)
    assert shop.provider.given_back == [("pi_0", 400), ("pi_0", 600)]
    assert await shop.bookkeeping.compare() == []


async def test_no_more_is_given_back_than_was_taken(shop: Shop[MemoryStore]) -> None:
    payment = await captured(shop)
    await shop.refunds.refund(payment.id, uuid7(), euros(400))

    await refused(shop.refunds.refund(payment.id, uuid7(), euros(601)), RefundTooLarge)
    await shop.refunds.refund(payment.id, uuid7(), euros(600))
    await refused(shop.refunds.refund(payment.id, uuid7(), euros(1)), RefundTooLarge)
    await refused(shop.refunds.refund(payment.id, uuid7()), RefundTooLarge)


async def test_a_refund_on_its_way_counts_as_given_back(shop: Shop[MemoryStore]) -> None:
    payment = await captured(shop)
    lost = uuid7()
    shop.provider.misfortunes.append(Misfortune.LOST_ON_THE_WAY)
    await refused(shop.refunds.refund(payment.id, lost, euros(700)), RefundUnsettled)

    await refused(shop.refunds.refund(payment.id, uuid7(), euros(400)), RefundTooLarge)

    assert (await shop.refunds.refund(payment.id, lost, euros(700))).refunded_minor == 700
    assert shop.provider.given_back == [("pi_0", 700)]


async def test_refunds_at_once_give_back_no_more_than_there_is(shop: Shop[MemoryStore]) -> None:
    payment = await captured(shop)

    answers = await asyncio.gather(
        *(shop.refunds.refund(payment.id, uuid7(), euros(300)) for _ in range(5)), return_exceptions=True
    )

    assert sum(isinstance(answer, RefundTooLarge) for answer in answers) == 2
    assert (await shop.payments.get(payment.id)).refunded_minor == 900


async def test_a_name_is_for_one_amount(shop: Shop[MemoryStore]) -> None:
    payment = await captured(shop)
    name = uuid7()
    await shop.refunds.refund(payment.id, name, euros(400))

    await refused(shop.refunds.refund(payment.id, name, euros(500)), RefundMismatch)


@pytest.mark.parametrize("card", [VISA, EMPTY_CARD])
async def test_what_was_not_taken_is_not_given_back(shop: Shop[MemoryStore], card: str) -> None:
    payment = await shop.payments.authorize(uuid7(), TEN_EUROS, card)

    await refused(shop.refunds.refund(payment.id, uuid7()), NotCaptured)


async def test_a_refund_of_nothing_that_is_here_is_refused(shop: Shop[MemoryStore]) -> None:
    payment = await captured(shop)

    await refused(shop.refunds.refund(uuid7(), uuid7()), PaymentNotFound)
    await refused(shop.refunds.refund(payment.id, "refund-1"), InvalidArgument)
    await refused(shop.refunds.refund(payment.id, uuid7(), Money("USD", 1)), CurrencyMismatch)
    await refused(shop.refunds.refund(payment.id, uuid7(), euros(2**63)), InvalidArgument)
