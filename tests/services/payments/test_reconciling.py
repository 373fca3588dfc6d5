"""Nothing stays unknown, whoever asked is gone; and what the provider tells is believed once."""

import asyncio

import pytest

from servicekit.clock import uuid7
from services.payments.errors import RefundUnsettled, SignatureStale
from services.payments.model import (
    Authorized,
    Captured,
    GivenBack,
    IntentNews,
    Outcome,
    Payment,
    PaymentState,
    ProviderId,
    RefundId,
    RefundNews,
    Released,
)
from services.payments.store.memory import MemoryStore
from tests.services.payments.fakes import TEN_EUROS, VISA, Misfortune, Shop

LOST = [Misfortune.LOST_ON_THE_WAY, Misfortune.LOST_ON_THE_WAY_BACK]


def told(payment: Payment, outcome: Outcome, event_id: str = "evt_1") -> IntentNews:
    return IntentNews(event_id, payment.id, payment.provider_id, outcome)


async def dies(shop: Shop[MemoryStore], call: object) -> None:
    shop.provider.misfortunes.append(Misfortune.CALLER_DIES)
    with pytest.raises(asyncio.CancelledError):
        await call  # type: ignore[misc] # a coroutine


@pytest.mark.parametrize("misfortune", LOST)
async def test_a_hold_whose_caller_is_gone_is_asked_for_again(
    shop: Shop[MemoryStore], misfortune: Misfortune
) -> None:
    shop.provider.misfortunes.append(misfortune)
    unknown = await shop.payments.authorize(uuid7(), TEN_EUROS, VISA)

    assert await shop.reconcile() == 1

    assert (await shop.payments.get(unknown.id)).state is PaymentState.AUTHORIZED
    assert shop.provider.held == ["pi_0"]


async def test_an_intent_that_was_never_made_is_made(shop: Shop[MemoryStore]) -> None:
    shop.provider.preparing.extend(LOST)
    unknown = await shop.payments.authorize(uuid7(), TEN_EUROS, VISA)

    await shop.reconcile()
    await shop.reconcile()

    assert (await shop.payments.get(unknown.id)).state is PaymentState.AUTHORIZED
    assert shop.provider.held == ["pi_0"]


async def test_a_capture_and_a_void_whose_callers_died_are_seen_through(shop: Shop[MemoryStore]) -> None:
    first = await shop.payments.authorize(uuid7(), TEN_EUROS, VISA)
    second = await shop.payments.authorize(uuid7(), TEN_EUROS, VISA)
    await dies(shop, shop.payments.capture(first.id))
    await dies(shop, shop.payments.void(second.id))

    assert await shop.reconcile() == 2

    assert (await shop.payments.get(first.id)).state is PaymentState.CAPTURED
    assert (await shop.payments.get(second.id)).state is PaymentState.VOIDED
    assert (shop.provider.taken, shop.provider.cancelled) == (["pi_0"], ["pi_1"])


@pytest.mark.parametrize("misfortune", LOST)
async def test_a_refund_without_an_answer_is_seen_through(
    shop: Shop[MemoryStore], misfortune: Misfortune
) -> None:
    held = await shop.payments.authorize(uuid7(), TEN_EUROS, VISA)
    await shop.payments.capture(held.id)
    shop.provider.misfortunes.append(misfortune)
    with pytest.raises(RefundUnsettled):
        await shop.refunds.refund(held.id, uuid7())

    await shop.reconcile()

    assert (await shop.payments.get(held.id)).state is PaymentState.REFUNDED
    assert shop.provider.given_back == [("pi_0", 1000)]
    assert await shop.bookkeeping.compare() == []


async def test_what_is_being_asked_is_left_alone_and_what_is_settled_is_not_due(
    shop: Shop[MemoryStore],
) -> None:
    await shop.payments.authorize(uuid7(), TEN_EUROS, VISA)
    await dies(shop, shop.payments.authorize(uuid7(), TEN_EUROS, VISA))

    assert await shop.reconcile(seconds=9) == 0
    assert await shop.reconcile(seconds=1) == 1
    assert await shop.reconcile() == 0


async def test_a_silent_provider_is_asked_less_and_less_and_then_heals(shop: Shop[MemoryStore]) -> None:
    shop.provider.misfortunes.extend([Misfortune.LOST_ON_THE_WAY] * 6)
    unknown = await shop.payments.authorize(uuid7(), TEN_EUROS, VISA)

    asked = [await shop.reconcile(seconds=1) for _ in range(48)]

    assert sum(asked) == 6
    assert (await shop.payments.get(unknown.id)).state is PaymentState.AUTHORIZED


async def test_signed_news_settles_what_is_unknown(shop: Shop[MemoryStore]) -> None:
    shop.provider.misfortunes.append(Misfortune.LOST_ON_THE_WAY_BACK)
    unknown = await shop.payments.authorize(uuid7(), TEN_EUROS, VISA)
    shop.newspaper.news = told(unknown, Authorized(unknown.provider_id))

    await shop.listening.receive(b"", "")
    for news in shop.store.news:
        await shop.listening.believe(news)

    assert (await shop.payments.get(unknown.id)).state is PaymentState.AUTHORIZED
    assert await shop.bookkeeping.compare() == []


async def test_news_is_kept_once_and_what_is_known_already_needs_no_work(shop: Shop[MemoryStore]) -> None:
    held = await shop.payments.authorize(uuid7(), TEN_EUROS, VISA)
    shop.newspaper.news = told(held, Authorized(held.provider_id))

    await shop.listening.receive(b"", "")
    await shop.listening.receive(b"", "")

    assert shop.signals.news == ["kept", "known"]
    assert shop.store.news == []


async def test_news_in_any_order_and_twice_ends_the_same(shop: Shop[MemoryStore]) -> None:
    held = await shop.payments.authorize(uuid7(), TEN_EUROS, VISA)
    capture = Captured(held.provider_id, 1000)

    for outcome in (capture, Authorized(held.provider_id), capture, Released(held.provider_id)):
        await shop.listening.believe(told(held, outcome))

    after = await shop.payments.get(held.id)
    assert (after.state, after.captured_minor) == (PaymentState.CAPTURED, 1000)
    assert await shop.bookkeeping.compare() == []


async def test_news_of_another_intent_moves_nothing(shop: Shop[MemoryStore]) -> None:
    held = await shop.payments.authorize(uuid7(), TEN_EUROS, VISA)

    await shop.listening.believe(
        IntentNews("evt_1", held.id, ProviderId("pi_9"), Released(ProviderId("pi_9")))
    )

    assert await shop.payments.get(held.id) == held


async def test_news_of_a_refund_settles_it_once(shop: Shop[MemoryStore]) -> None:
    held = await shop.payments.authorize(uuid7(), TEN_EUROS, VISA)
    await shop.payments.capture(held.id)
    name = uuid7()
    shop.provider.misfortunes.append(Misfortune.LOST_ON_THE_WAY_BACK)
    with pytest.raises(RefundUnsettled):
        await shop.refunds.refund(held.id, name)
    news = RefundNews("evt_1", held.id, RefundId(name), GivenBack(ProviderId("re_0")))

    await shop.listening.believe(news)
    await shop.listening.believe(news)

    assert (await shop.refunds.refund(held.id, name)).refunded_minor == 1000
    assert await shop.bookkeeping.compare() == []


async def test_what_is_not_believed_is_told_and_not_kept(shop: Shop[MemoryStore]) -> None:
    class Forged:
        def read(self, body: bytes, signature: str) -> None:
            raise SignatureStale("too old")

    shop.listening._newspaper = Forged()

    with pytest.raises(SignatureStale):
        await shop.listening.receive(b"", "")

    assert shop.signals.news == ["SIGNATURE_STALE"]


async def test_old_news_is_forgotten(shop: Shop[MemoryStore]) -> None:
    held = await shop.payments.authorize(uuid7(), TEN_EUROS, VISA)
    shop.newspaper.news = told(held, Authorized(held.provider_id))
    await shop.listening.receive(b"", "")

    assert await shop.listening.forget() == 0
    shop.clock.advance(31 * 24 * 3600)
    assert await shop.listening.forget() == 1
