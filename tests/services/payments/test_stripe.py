"""The provider port over Stripe's own library, against the stand-in that keeps Stripe's rules."""

import asyncio
import contextlib
import time
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from servicekit.clock import uuid7
from servicekit.context import RequestContext, scope
from servicekit.errors import PeerUnavailable
from services.payments.checks import provider_check
from services.payments.model import (
    Authorized,
    Captured,
    Declined,
    Doubt,
    GivenBack,
    Money,
    Operation,
    OrderId,
    Outcome,
    Payment,
    Prepared,
    ProviderKey,
    Refund,
    RefundId,
    Released,
    Unknown,
    provider_key,
)
from services.payments.ports import Provider
from tests.services.payments.fakes import TEN_EUROS, VISA
from tests.services.payments.real import HeedlessProvider

NOW = datetime(2026, 11, 23, tzinfo=UTC)


def wanted(card: str = VISA, amount: Money = TEN_EUROS) -> Payment:
    return Payment.of_order(OrderId(uuid7()), amount, card, NOW).asked(Operation.AUTHORIZE, NOW)


def hold_key(payment: Payment) -> ProviderKey:
    return provider_key(payment.id, Operation.AUTHORIZE)


def void_key(payment: Payment) -> ProviderKey:
    return provider_key(payment.id, Operation.VOID)


def take_key(payment: Payment) -> ProviderKey:
    return provider_key(payment.id, Operation.CAPTURE)


async def prepared(provider: Provider, payment: Payment) -> Payment:
    return payment.settled(await provider.prepare(payment, hold_key(payment)), NOW)


async def authorize(provider: Provider, payment: Payment) -> Outcome:
    """As the use case asks: an intent, then money on it."""
    outcome = await provider.prepare(payment, hold_key(payment))
    if isinstance(outcome, Prepared):
        return await provider.hold(payment.settled(outcome, NOW), hold_key(payment))
    return outcome


async def held(provider: Provider) -> Payment:
    payment = wanted()
    return payment.settled(await authorize(provider, payment), NOW).asked(Operation.CAPTURE, NOW, 1000)


async def taken(provider: Provider) -> Payment:
    payment = await held(provider)
    return payment.settled(await provider.capture(payment, take_key(payment)), NOW)


def refund_of(payment: Payment, minor_units: int = 400) -> Refund:
    return Refund.asked(payment.id, RefundId(uuid7()), minor_units, datetime.now(UTC))


async def test_the_amount_is_held_and_then_taken(stripe: Any) -> None:
    provider = stripe.provider()
    payment = wanted()

    hold = await authorize(provider, payment)
    assert isinstance(hold, Authorized)
    holding = payment.settled(hold, NOW).asked(Operation.CAPTURE, NOW, 1000)
    took = await provider.capture(holding, take_key(payment))

    assert took == Captured(hold.provider_id, 1000)
    ledger = await stripe.ledger()
    assert [(entry["movement"], entry["amount"], entry["currency"]) for entry in ledger] == [
        ("authorised", 1000, "eur"),
        ("captured", 1000, "eur"),
    ]
    assert {entry["order_id"] for entry in ledger} == {payment.order_id}


@pytest.mark.parametrize(
    ("card", "reason"),
    [
        ("pm_card_visa_chargeDeclined", "generic_decline"),
        ("pm_card_visa_chargeDeclinedInsufficientFunds", "insufficient_funds"),
        ("pm_card_visa_chargeDeclinedLostCard", "lost_card"),
        ("pm_card_chargeDeclinedExpiredCard", "expired_card"),
        ("pm_card_chargeDeclinedIncorrectCvc", "incorrect_cvc"),
        ("pm_card_chargeDeclinedProcessingError", "processing_error"),
        ("pm_card_authenticationRequired", "authentication_required"),
        ("pm_unheard_of", "resource_missing"),
    ],
)
async def test_a_refused_card_is_declined_in_stripes_words(stripe: Any, card: str, reason: str) -> None:
    payment = wanted(card)

    outcome = await authorize(stripe.provider(), payment)

    assert isinstance(outcome, Declined)
    assert outcome.reason == reason
    assert await stripe.movements() == []


@pytest.mark.parametrize(
    ("amount", "reason"),
    [
        (Money("EUR", 49), "amount_too_small"),
        (Money("EUR", 2**63 - 1), "parameter_invalid_integer"),
        (Money("EUR", 100_000_000), "amount_too_large"),
    ],
)
async def test_an_amount_that_stripe_does_not_take_is_declined(
    stripe: Any, amount: Money, reason: str
) -> None:
    payment = wanted(amount=amount)

    assert await authorize(stripe.provider(), payment) == Declined(reason)


@pytest.mark.parametrize("operation", ["payment_intents.create", "payment_intents.confirm"])
async def test_a_dropped_answer_is_unknown_and_asking_again_finds_the_hold(
    stripe: Any, operation: str
) -> None:
    await stripe.switch_on(kind="drop_after_commit", count=1, operation=operation)
    provider = stripe.provider()
    payment = wanted()

    lost = await authorize(provider, payment)
    again = await authorize(provider, payment)

    assert lost == Unknown(Doubt.CONNECTION)
    assert isinstance(again, Authorized)
    assert await stripe.movements() == ["authorised"]


async def test_another_key_holds_nothing_more(stripe: Any) -> None:
    """So a key that Stripe forgets after a day is no danger."""
    provider = stripe.provider()
    payment = await prepared(provider, wanted())
    await stripe.switch_on(kind="drop_after_commit", count=1)

    await provider.hold(payment, ProviderKey(uuid7()))

    assert await provider.hold(payment, ProviderKey(uuid7())) == Authorized(payment.provider_id)
    assert await stripe.movements() == ["authorised"]


async def test_another_intent_holds_twice(stripe: Any) -> None:
    """The negative control of the tests above: what keeping the intent's name is for."""
    await stripe.switch_on(kind="drop_after_commit", count=1, operation="payment_intents.confirm")
    provider = HeedlessProvider(stripe.provider())
    payment = await prepared(provider, wanted())

    for _ in range(2):
        await provider.hold(payment, hold_key(payment))

    assert await stripe.movements() == ["authorised", "authorised"]


async def test_a_late_answer_is_unknown_and_asking_again_waits_for_it(stripe: Any) -> None:
    await stripe.switch_on(kind="latency", count=1, seconds=0.4)
    payment = wanted()

    late = await authorize(stripe.provider(timeout_seconds=0.1), payment)
    again = await authorize(stripe.provider(), payment)

    assert late == Unknown(Doubt.TIMEOUT)
    assert isinstance(again, Authorized)
    assert await stripe.movements() == ["authorised"]


async def test_two_who_ask_at_once_get_one_hold(stripe: Any) -> None:
    await stripe.switch_on(kind="latency", count=1, seconds=0.1)
    provider = stripe.provider()
    payment = wanted()

    one, other = await asyncio.gather(authorize(provider, payment), authorize(provider, payment))

    assert isinstance(one, Authorized)
    assert one == other
    assert await stripe.movements() == ["authorised"]


async def test_a_short_rate_limit_is_waited_for(stripe: Any) -> None:
    await stripe.switch_on(kind="rate_limited", count=1, retry_after_seconds=1)
    payment = wanted()

    assert isinstance(await authorize(stripe.provider(), payment), Authorized)


async def test_a_long_rate_limit_is_told_at_once(stripe: Any) -> None:
    await stripe.switch_on(kind="rate_limited", count=1, retry_after_seconds=60)
    payment = wanted()

    started = time.monotonic()
    outcome = await authorize(stripe.provider(), payment)

    assert outcome == Unknown(Doubt.RATE_LIMITED)
    assert time.monotonic() - started < 1


async def test_a_hold_behind_an_error_that_is_kept_is_found_on_the_intent(stripe: Any) -> None:
    await stripe.switch_on(kind="error_after_commit", count=1, operation="payment_intents.confirm")
    provider = stripe.provider()
    payment = wanted()

    failed = await authorize(provider, payment)
    found = await authorize(provider, payment)

    assert failed == Unknown(Doubt.PROVIDER_ERROR)
    assert isinstance(found, Authorized)
    assert await stripe.movements() == ["authorised"]


@pytest.mark.parametrize("operation", ["payment_intents.create", "payment_intents.confirm"])
async def test_a_hold_whose_keys_burn_one_after_the_other_is_made_once(stripe: Any, operation: str) -> None:
    await stripe.switch_on(kind="error_before_commit", count=3, operation=operation)
    provider = stripe.provider()
    payment = wanted()

    outcomes = [await authorize(provider, payment) for _ in range(4)]

    assert outcomes[:3] == [Unknown(Doubt.PROVIDER_ERROR)] * 3
    assert isinstance(outcomes[3], Authorized)
    assert await stripe.movements() == ["authorised"]


async def test_a_part_is_taken_and_the_rest_let_go(stripe: Any) -> None:
    provider = stripe.provider()
    payment = (await held(provider)).asked(Operation.CAPTURE, NOW, 400)

    assert await provider.capture(payment, take_key(payment)) == Captured(payment.provider_id, 400)
    assert await stripe.movements() == ["authorised", "captured", "cancelled"]


@pytest.mark.parametrize("kind", ["error_before_commit", "error_after_commit", "drop_after_commit"])
async def test_what_is_cancelled_is_released_once(stripe: Any, kind: str) -> None:
    provider = stripe.provider()
    payment = await held(provider)
    await stripe.switch_on(kind=kind, count=1, operation="payment_intents.cancel")

    lost = await provider.cancel(payment, void_key(payment))
    again = await provider.cancel(payment, void_key(payment))

    assert isinstance(lost, Unknown)
    assert again == Released(payment.provider_id)
    assert await stripe.movements() == ["authorised", "cancelled"]


async def test_what_is_cancelled_before_it_is_held_is_never_held(stripe: Any) -> None:
    provider = stripe.provider()
    payment = await prepared(provider, wanted())

    cancelled = await provider.cancel(payment, void_key(payment))
    late = await provider.hold(payment, hold_key(payment))

    assert cancelled == late == Released(payment.provider_id)
    assert await stripe.movements() == []


async def test_what_was_taken_cannot_be_cancelled(stripe: Any) -> None:
    provider = stripe.provider()
    payment = await taken(provider)

    assert await provider.cancel(payment, void_key(payment)) == Captured(payment.provider_id, 1000)


@pytest.mark.parametrize("kind", ["error_before_commit", "error_after_commit", "drop_after_commit"])
async def test_a_refund_whose_answer_is_lost_is_made_once(stripe: Any, kind: str) -> None:
    provider = stripe.provider()
    payment = await taken(provider)
    refund = refund_of(payment)
    key = provider_key(payment.id, Operation.REFUND, refund.id)
    await stripe.switch_on(kind=kind, count=1, operation="refunds.create")

    lost = await provider.refund(payment, refund, key)
    again = await provider.refund(payment, refund.settled(lost, NOW), key)

    assert isinstance(lost, Unknown)
    assert isinstance(again, GivenBack)
    assert await stripe.movements() == ["authorised", "captured", "refunded"]


async def test_a_refund_whose_key_is_forgotten_is_found_by_its_name(stripe: Any) -> None:
    provider = stripe.provider()
    payment = await taken(provider)
    refund = refund_of(payment)
    first = await provider.refund(payment, refund, ProviderKey(uuid7()))
    days_later = replace(refund, created_at=refund.created_at - timedelta(days=2))

    assert await provider.refund(payment, days_later, ProviderKey(uuid7())) == first
    assert await stripe.movements() == ["authorised", "captured", "refunded"]


async def test_a_refund_that_stripe_refuses_is_declined(stripe: Any) -> None:
    provider = stripe.provider()
    payment = await taken(provider)
    refund = refund_of(payment, 1001)

    outcome = await provider.refund(payment, refund, provider_key(payment.id, Operation.REFUND, refund.id))

    assert outcome == Declined("refused")


@pytest.mark.parametrize("kind", ["error_before_commit", "error_after_commit", "drop_after_commit"])
async def test_a_capture_whose_answer_is_lost_is_made_once(stripe: Any, kind: str) -> None:
    provider = stripe.provider()
    payment = await held(provider)
    await stripe.switch_on(kind=kind, count=1, operation="payment_intents.capture")

    lost = await provider.capture(payment, take_key(payment))
    again = await provider.capture(payment, take_key(payment))

    assert isinstance(lost, Unknown)
    assert again == Captured(payment.provider_id, 1000)
    assert await stripe.movements() == ["authorised", "captured"]


async def test_a_capture_whose_keys_burn_one_after_the_other_is_made_once(stripe: Any) -> None:
    provider = stripe.provider()
    payment = await held(provider)
    await stripe.switch_on(kind="error_before_commit", count=3, operation="payment_intents.capture")

    outcomes = [await provider.capture(payment, take_key(payment)) for _ in range(4)]

    assert outcomes == [Unknown(Doubt.PROVIDER_ERROR)] * 3 + [Captured(payment.provider_id, 1000)]
    assert await stripe.movements() == ["authorised", "captured"]


async def test_what_somebody_else_captured_is_captured(stripe: Any) -> None:
    provider = stripe.provider()
    payment = await held(provider)
    await stripe.post(f"/v1/payment_intents/{payment.provider_id}/capture")

    assert await provider.capture(payment, take_key(payment)) == Captured(payment.provider_id, 1000)
    assert await provider.look(payment) == Captured(payment.provider_id, 1000)


async def test_what_somebody_else_cancelled_is_released(stripe: Any) -> None:
    provider = stripe.provider()
    payment = await held(provider)
    await stripe.post(f"/v1/payment_intents/{payment.provider_id}/cancel")

    assert await provider.capture(payment, take_key(payment)) == Released(payment.provider_id)


async def test_a_call_that_is_not_understood_settles_nothing(
    stripe: Any, caplog: pytest.LogCaptureFixture
) -> None:
    payment = wanted()

    outcome = await authorize(stripe.provider(key="sk_live_wrong"), payment)

    assert outcome == Unknown(Doubt.NOT_UNDERSTOOD)
    assert [record.msg for record in caplog.records if record.levelname == "ERROR"] == [
        "provider_refused_call"
    ]


async def test_a_key_that_another_amount_was_held_under_settles_nothing(stripe: Any) -> None:
    provider = stripe.provider()
    payment = wanted()
    await authorize(provider, payment)

    other = wanted(amount=Money("EUR", 2000))

    assert await provider.prepare(other, hold_key(payment)) == Unknown(Doubt.NOT_UNDERSTOOD)
    assert await stripe.movements() == ["authorised"]


async def test_no_answer_is_waited_for_past_the_callers_deadline(stripe: Any) -> None:
    await stripe.switch_on(kind="latency", count=1, seconds=1)
    payment = wanted()

    started = time.monotonic()
    with scope(RequestContext(deadline=started + 0.7)):
        outcome = await authorize(stripe.provider(), payment)

    assert outcome == Unknown(Doubt.TIMEOUT)
    assert time.monotonic() - started < 0.65


async def test_callers_that_give_up_leave_the_way_to_stripe_open(stripe: Any) -> None:
    """httpcore keeps the place of what is cancelled while it connects: ten of those, and silence."""
    provider = stripe.provider(timeout_seconds=1)
    await stripe.switch_on(kind="latency", probability=1, seconds=0.4)

    async def give_up() -> None:
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(0.05):
                await provider.ping()

    for _ in range(3):
        await asyncio.gather(*(give_up() for _ in range(24)))
    await stripe.heal()
    await asyncio.sleep(1.5)

    await provider.ping()


async def test_the_trace_reaches_the_provider(stripe: Any) -> None:
    exporter = InMemorySpanExporter()
    tracers = TracerProvider(shutdown_on_exit=False)
    tracers.add_span_processor(SimpleSpanProcessor(exporter))
    tracer = tracers.get_tracer("test")
    payment = wanted()

    with tracer.start_as_current_span("rpc"):
        await authorize(stripe.provider(tracer=tracer), payment)

    made, call, rpc = exporter.get_finished_spans()
    assert made.name == "stripe payment_intents.create"
    assert (call.name, call.kind.name) == ("stripe payment_intents.confirm", "CLIENT")
    assert call.parent is not None
    assert rpc.context is not None
    assert call.context is not None
    assert call.parent.span_id == rpc.context.span_id
    (entry,) = await stripe.ledger()
    place = f"00-{call.context.trace_id:032x}-{call.context.span_id:016x}-"
    assert entry["traceparent"] == f"{place}{call.context.trace_flags:02x}"


async def test_a_trace_that_is_not_sampled_reaches_the_provider_too(stripe: Any) -> None:
    traceparent = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-00"
    payment = wanted()

    with scope(RequestContext(traceparent=traceparent)):
        await authorize(stripe.provider(), payment)

    (entry,) = await stripe.ledger()
    assert entry["traceparent"] == traceparent


async def test_a_failed_call_marks_its_span_without_the_librarys_words(stripe: Any) -> None:
    exporter = InMemorySpanExporter()
    tracers = TracerProvider(shutdown_on_exit=False)
    tracers.add_span_processor(SimpleSpanProcessor(exporter))
    tracer = tracers.get_tracer("test")
    payment = wanted("pm_card_visa_chargeDeclined")

    with tracer.start_as_current_span("rpc"):
        await authorize(stripe.provider(tracer=tracer), payment)

    call = exporter.get_finished_spans()[1]
    assert call.attributes is not None
    assert (call.attributes["error.type"], call.attributes["http.response.status_code"]) == ("CardError", 402)
    assert (call.events, call.status.description) == ((), None)


async def test_the_check_passes_while_stripe_answers_and_says_why_it_fails(stripe: Any) -> None:
    check = provider_check(stripe.provider())
    assert (check.name, check.own) == ("stripe", False)

    await check.probe()

    await stripe.switch_on(kind="error_before_commit", count=1)
    with pytest.raises(PeerUnavailable, match="Stripe does not answer as it should"):
        await check.probe()
    with pytest.raises(PeerUnavailable):
        await stripe.provider(key="sk_live_wrong").ping()
