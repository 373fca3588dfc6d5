"""What payments promises, over a provider that can fall silent at any point."""

import asyncio

import pytest

from servicekit.clock import uuid7
from servicekit.errors import InvalidArgument
from services.payments.errors import NotAuthorized, PaymentMismatch, PaymentNotFound
from services.payments.model import AttemptState, Money, OrderId, PaymentState, payment_id
from services.payments.store.memory import MemoryStore
from tests.services.payments.fakes import EMPTY_CARD, TEN_EUROS, VISA, Misfortune, Shop

ORDER = OrderId("019ab1c2-0000-7000-8000-000000000001")


async def test_authorizing_holds_the_amount(shop: Shop[MemoryStore]) -> None:
    payment = await shop.payments.authorize(ORDER, TEN_EUROS, VISA)

    assert payment.state is PaymentState.AUTHORIZED
    assert (payment.id, payment.provider_id) == (payment_id(ORDER), "pi_0")
    assert shop.provider.held == ["pi_0"]
    assert await shop.payments.get(payment.id) == payment


async def test_a_settled_payment_is_answered_without_the_provider(shop: Shop[MemoryStore]) -> None:
    first = await shop.payments.authorize(ORDER, TEN_EUROS, VISA)
    again = await shop.payments.authorize(ORDER.upper(), TEN_EUROS, VISA)

    assert again == first
    assert shop.provider.asked == 2


async def test_a_declined_card_is_an_outcome_that_stays(shop: Shop[MemoryStore]) -> None:
    first = await shop.payments.authorize(ORDER, TEN_EUROS, EMPTY_CARD)
    again = await shop.payments.authorize(ORDER, TEN_EUROS, EMPTY_CARD)

    assert (first.state, first.decline_reason) == (PaymentState.DECLINED, "insufficient_funds")
    assert again == first
    assert shop.provider.asked == 2


@pytest.mark.parametrize("misfortune", [Misfortune.LOST_ON_THE_WAY, Misfortune.LOST_ON_THE_WAY_BACK])
async def test_without_an_answer_it_is_unknown_and_asking_again_holds_once(
    shop: Shop[MemoryStore], misfortune: Misfortune
) -> None:
    shop.provider.misfortunes.append(misfortune)

    unknown = await shop.payments.authorize(ORDER, TEN_EUROS, VISA)
    settled = await shop.payments.authorize(ORDER, TEN_EUROS, VISA)

    assert (unknown.state, settled.state) == (PaymentState.UNKNOWN, PaymentState.AUTHORIZED)
    assert shop.provider.held == ["pi_0"]
    assert shop.signals.settled == ["AUTHORIZED"]


async def test_a_caller_that_dies_leaves_it_unknown_and_its_attempt_sent(shop: Shop[MemoryStore]) -> None:
    shop.provider.misfortunes.append(Misfortune.CALLER_DIES)

    with pytest.raises(asyncio.CancelledError):
        await shop.payments.authorize(ORDER, TEN_EUROS, VISA)

    assert (await shop.payments.get(payment_id(ORDER))).state is PaymentState.UNKNOWN
    assert [attempt.state for attempt in await shop.store.attempts(payment_id(ORDER))] == [AttemptState.SENT]
    assert (await shop.payments.authorize(ORDER, TEN_EUROS, VISA)).state is PaymentState.AUTHORIZED
    assert shop.provider.held == ["pi_0"]


async def test_callers_at_once_get_one_outcome_of_one_hold(shop: Shop[MemoryStore]) -> None:
    answers = await asyncio.gather(
        *(shop.payments.authorize(ORDER, TEN_EUROS, VISA) for _ in range(5)),
    )

    assert {answer.state for answer in answers} == {PaymentState.AUTHORIZED}
    assert {answer.provider_id for answer in answers} == {"pi_0"}
    assert shop.provider.held == ["pi_0"]


@pytest.mark.parametrize(
    ("amount", "card"), [(Money("EUR", 1001), VISA), (Money("USD", 1000), VISA), (TEN_EUROS, EMPTY_CARD)]
)
async def test_an_order_has_one_payment_and_no_other(
    shop: Shop[MemoryStore], amount: Money, card: str
) -> None:
    first = await shop.payments.authorize(ORDER, TEN_EUROS, VISA)

    with pytest.raises(PaymentMismatch):
        await shop.payments.authorize(ORDER, amount, card)

    assert await shop.payments.get(first.id) == first
    assert shop.provider.held == ["pi_0"]


async def test_each_order_has_its_own_payment(shop: Shop[MemoryStore]) -> None:
    first = await shop.payments.authorize(uuid7(), TEN_EUROS, VISA)
    second = await shop.payments.authorize(uuid7(), TEN_EUROS, VISA)

    assert first.id != second.id
    assert shop.provider.held == ["pi_0", "pi_1"]


async def test_every_faulty_field_is_named_and_nothing_is_kept(shop: Shop[MemoryStore]) -> None:
    with pytest.raises(InvalidArgument) as refused:
        await shop.payments.authorize("order-1", Money("euro", 0), "")

    assert [violation.field for violation in refused.value.violations] == [
        "order_id",
        "amount.currency_code",
        "amount.minor_units",
        "payment_method",
    ]
    assert shop.provider.asked == 0


async def test_a_card_number_is_never_taken_for_a_handle(shop: Shop[MemoryStore]) -> None:
    with pytest.raises(InvalidArgument) as refused:
        await shop.payments.authorize(ORDER, TEN_EUROS, "4242424242424242")

    assert "4242" not in f"{refused.value} {refused.value.violations}"
    with pytest.raises(PaymentNotFound):
        await shop.payments.get(payment_id(ORDER))


async def test_capturing_takes_what_is_held_once(shop: Shop[MemoryStore]) -> None:
    held = await shop.payments.authorize(ORDER, TEN_EUROS, VISA)

    taken = await shop.payments.capture(held.id)
    again = await shop.payments.capture(held.id.upper())

    assert taken.state is PaymentState.CAPTURED
    assert again == taken
    assert shop.provider.taken == ["pi_0"]


@pytest.mark.parametrize("misfortune", [Misfortune.LOST_ON_THE_WAY, Misfortune.LOST_ON_THE_WAY_BACK])
async def test_a_capture_without_an_answer_can_be_repeated(
    shop: Shop[MemoryStore], misfortune: Misfortune
) -> None:
    held = await shop.payments.authorize(ORDER, TEN_EUROS, VISA)
    shop.provider.misfortunes.append(misfortune)

    unknown = await shop.payments.capture(held.id)
    taken = await shop.payments.capture(held.id)

    assert (unknown.state, taken.state) == (PaymentState.UNKNOWN, PaymentState.CAPTURED)
    assert shop.provider.taken == ["pi_0"]


@pytest.mark.parametrize("misfortune", [Misfortune.LOST_ON_THE_WAY, Misfortune.LOST_ON_THE_WAY_BACK])
async def test_authorizing_after_a_lost_capture_sees_the_capture_through_and_holds_nothing_more(
    shop: Shop[MemoryStore], misfortune: Misfortune
) -> None:
    held = await shop.payments.authorize(ORDER, TEN_EUROS, VISA)
    shop.provider.misfortunes.append(misfortune)
    await shop.payments.capture(held.id)

    found = await shop.payments.authorize(ORDER, TEN_EUROS, VISA)

    assert found.state is PaymentState.CAPTURED
    assert (shop.provider.held, shop.provider.taken) == (["pi_0"], ["pi_0"])


@pytest.mark.parametrize("card", [VISA, EMPTY_CARD])
async def test_what_is_not_held_cannot_be_captured(shop: Shop[MemoryStore], card: str) -> None:
    if card == VISA:
        shop.provider.misfortunes.append(Misfortune.LOST_ON_THE_WAY)
    payment = await shop.payments.authorize(ORDER, TEN_EUROS, card)

    with pytest.raises(NotAuthorized):
        await shop.payments.capture(payment.id)

    assert await shop.payments.get(payment.id) == payment


@pytest.mark.parametrize("name", ["", "payment-1", uuid7(), "pi_0"])
async def test_a_payment_that_is_not_here_is_not_found(shop: Shop[MemoryStore], name: str) -> None:
    with pytest.raises(PaymentNotFound):
        await shop.payments.get(name)
    with pytest.raises(PaymentNotFound):
        await shop.payments.capture(name)


async def test_every_attempt_is_kept_and_told(shop: Shop[MemoryStore]) -> None:
    shop.provider.misfortunes.append(Misfortune.LOST_ON_THE_WAY_BACK)
    await shop.payments.authorize(ORDER, TEN_EUROS, VISA)
    held = await shop.payments.authorize(ORDER, TEN_EUROS, VISA)
    await shop.payments.capture(held.id)

    attempts = await shop.store.attempts(held.id)

    told = [(attempt.operation, attempt.state, attempt.detail) for attempt in attempts]
    assert told == [
        ("authorize", "UNKNOWN", "timeout"),
        ("authorize", "SUCCEEDED", ""),
        ("capture", "SUCCEEDED", ""),
    ]
    assert shop.signals.attempts == told
    assert attempts[0].provider_key == attempts[1].provider_key != attempts[2].provider_key
