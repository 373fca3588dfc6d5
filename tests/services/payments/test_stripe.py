"""The provider port over Stripe's own library, against the stand-in that keeps Stripe's rules."""

import asyncio
import time
from datetime import UTC, datetime
from typing import Any

import pytest
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from servicekit.clock import uuid7
from servicekit.context import RequestContext, scope
from servicekit.errors import PeerUnavailable
from services.payments.checks import provider_check
from services.payments.clients.stripe import StripeProvider
from services.payments.model import (
    Authorized,
    Captured,
    Declined,
    Doubt,
    Money,
    Operation,
    OrderId,
    Payment,
    ProviderKey,
    Unknown,
    provider_key,
)
from tests.services.payments.fakes import TEN_EUROS, VISA

NOW = datetime(2026, 11, 23, tzinfo=UTC)


def wanted(card: str = VISA, amount: Money = TEN_EUROS) -> Payment:
    return Payment.of_order(OrderId(uuid7()), amount, card, NOW).asked(NOW)


def hold_key(payment: Payment) -> ProviderKey:
    return provider_key(payment.id, Operation.AUTHORIZE)


def take_key(payment: Payment) -> ProviderKey:
    return provider_key(payment.id, Operation.CAPTURE)


async def held(provider: StripeProvider) -> Payment:
    payment = wanted()
    return payment.settled(await provider.authorize(payment, hold_key(payment)), NOW)


async def test_the_amount_is_held_and_then_taken(stripe: Any) -> None:
    provider = stripe.provider()
    payment = wanted()

    hold = await provider.authorize(payment, hold_key(payment))
    assert isinstance(hold, Authorized)
    taken = await provider.capture(payment.settled(hold, NOW), take_key(payment))

    assert taken == Captured(hold.provider_id)
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

    outcome = await stripe.provider().authorize(payment, hold_key(payment))

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

    assert await stripe.provider().authorize(payment, hold_key(payment)) == Declined(reason)


async def test_a_dropped_answer_is_unknown_and_the_same_key_finds_the_hold(stripe: Any) -> None:
    await stripe.switch_on(kind="drop_after_commit", count=1)
    provider = stripe.provider()
    payment = wanted()

    lost = await provider.authorize(payment, hold_key(payment))
    again = await provider.authorize(payment, hold_key(payment))

    assert lost == Unknown(Doubt.CONNECTION)
    assert isinstance(again, Authorized)
    assert await stripe.movements() == ["authorised"]


async def test_another_key_holds_twice(stripe: Any) -> None:
    """The negative control of the test above: what the derived key is for."""
    await stripe.switch_on(kind="drop_after_commit", count=1)
    provider = stripe.provider()
    payment = wanted()

    for _ in range(2):
        await provider.authorize(payment, ProviderKey(uuid7()))

    assert await stripe.movements() == ["authorised", "authorised"]


async def test_a_late_answer_is_unknown_and_asking_again_waits_for_it(stripe: Any) -> None:
    await stripe.switch_on(kind="latency", count=1, seconds=0.4)
    payment = wanted()

    late = await stripe.provider(timeout_seconds=0.1).authorize(payment, hold_key(payment))
    again = await stripe.provider().authorize(payment, hold_key(payment))

    assert late == Unknown(Doubt.TIMEOUT)
    assert isinstance(again, Authorized)
    assert await stripe.movements() == ["authorised"]


async def test_two_who_ask_at_once_get_one_hold(stripe: Any) -> None:
    await stripe.switch_on(kind="latency", count=1, seconds=0.1)
    provider = stripe.provider()
    payment = wanted()

    one, other = await asyncio.gather(
        provider.authorize(payment, hold_key(payment)), provider.authorize(payment, hold_key(payment))
    )

    assert isinstance(one, Authorized)
    assert one == other
    assert await stripe.movements() == ["authorised"]


async def test_a_short_rate_limit_is_waited_for(stripe: Any) -> None:
    await stripe.switch_on(kind="rate_limited", count=1, retry_after_seconds=1)
    payment = wanted()

    assert isinstance(await stripe.provider().authorize(payment, hold_key(payment)), Authorized)


async def test_a_long_rate_limit_is_told_at_once(stripe: Any) -> None:
    await stripe.switch_on(kind="rate_limited", count=1, retry_after_seconds=60)
    payment = wanted()

    started = time.monotonic()
    outcome = await stripe.provider().authorize(payment, hold_key(payment))

    assert outcome == Unknown(Doubt.RATE_LIMITED)
    assert time.monotonic() - started < 1


async def test_a_hold_behind_an_error_that_is_kept_is_found_by_its_name(stripe: Any) -> None:
    await stripe.switch_on(kind="error_after_commit", count=1)
    provider = stripe.provider()
    payment = wanted()

    failed = await provider.authorize(payment, hold_key(payment))
    found = await provider.authorize(payment, hold_key(payment))

    assert failed == Unknown(Doubt.PROVIDER_ERROR)
    assert isinstance(found, Authorized)
    assert await stripe.movements() == ["authorised"]


async def test_finding_no_hold_proves_nothing(stripe: Any) -> None:
    await stripe.switch_on(kind="error_before_commit", count=1)
    provider = stripe.provider()
    payment = wanted()

    for _ in range(3):
        assert await provider.authorize(payment, hold_key(payment)) == Unknown(Doubt.PROVIDER_ERROR)

    assert await stripe.movements() == []


@pytest.mark.parametrize("kind", ["error_before_commit", "error_after_commit", "drop_after_commit"])
async def test_a_capture_whose_answer_is_lost_is_made_once(stripe: Any, kind: str) -> None:
    provider = stripe.provider()
    payment = await held(provider)
    await stripe.switch_on(kind=kind, count=1, operation="payment_intents.capture")

    lost = await provider.capture(payment, take_key(payment))
    again = await provider.capture(payment, take_key(payment))

    assert isinstance(lost, Unknown)
    assert again == Captured(payment.provider_id)
    assert await stripe.movements() == ["authorised", "captured"]


async def test_a_capture_whose_keys_burn_one_after_the_other_is_made_once(stripe: Any) -> None:
    provider = stripe.provider()
    payment = await held(provider)
    await stripe.switch_on(kind="error_before_commit", count=3, operation="payment_intents.capture")

    outcomes = [await provider.capture(payment, take_key(payment)) for _ in range(4)]

    assert outcomes == [Unknown(Doubt.PROVIDER_ERROR)] * 3 + [Captured(payment.provider_id)]
    assert await stripe.movements() == ["authorised", "captured"]


async def test_what_somebody_else_captured_is_captured(stripe: Any) -> None:
    provider = stripe.provider()
    payment = await held(provider)
    await stripe.post(f"/v1/payment_intents/{payment.provider_id}/capture")

    assert await provider.capture(payment, take_key(payment)) == Captured(payment.provider_id)
    assert await provider.look(payment) == Captured(payment.provider_id)


async def test_what_somebody_else_cancelled_is_declined(stripe: Any) -> None:
    provider = stripe.provider()
    payment = await held(provider)
    await stripe.post(f"/v1/payment_intents/{payment.provider_id}/cancel")

    assert await provider.capture(payment, take_key(payment)) == Declined("canceled", payment.provider_id)


async def test_a_call_that_is_not_understood_settles_nothing(
    stripe: Any, caplog: pytest.LogCaptureFixture
) -> None:
    payment = wanted()

    outcome = await stripe.provider(key="sk_live_wrong").authorize(payment, hold_key(payment))

    assert outcome == Unknown(Doubt.NOT_UNDERSTOOD)
    assert [record.msg for record in caplog.records if record.levelname == "ERROR"] == [
        "provider_refused_call"
    ]


async def test_a_key_that_another_amount_was_held_under_settles_nothing(stripe: Any) -> None:
    provider = stripe.provider()
    payment = wanted()
    await provider.authorize(payment, hold_key(payment))

    other = wanted(amount=Money("EUR", 2000))

    assert await provider.authorize(other, hold_key(payment)) == Unknown(Doubt.NOT_UNDERSTOOD)
    assert await stripe.movements() == ["authorised"]


async def test_no_answer_is_waited_for_past_the_callers_deadline(stripe: Any) -> None:
    await stripe.switch_on(kind="latency", count=1, seconds=1)
    payment = wanted()

    started = time.monotonic()
    with scope(RequestContext(deadline=started + 0.7)):
        outcome = await stripe.provider().authorize(payment, hold_key(payment))

    assert outcome == Unknown(Doubt.TIMEOUT)
    assert time.monotonic() - started < 0.65


async def test_the_trace_reaches_the_provider(stripe: Any) -> None:
    exporter = InMemorySpanExporter()
    tracers = TracerProvider(shutdown_on_exit=False)
    tracers.add_span_processor(SimpleSpanProcessor(exporter))
    tracer = tracers.get_tracer("test")
    payment = wanted()

    with tracer.start_as_current_span("rpc"):
        await stripe.provider(tracer=tracer).authorize(payment, hold_key(payment))

    call, rpc = exporter.get_finished_spans()
    assert (call.name, call.kind.name) == ("stripe payment_intents.create", "CLIENT")
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
        await stripe.provider().authorize(payment, hold_key(payment))

    (entry,) = await stripe.ledger()
    assert entry["traceparent"] == traceparent


async def test_a_failed_call_marks_its_span_without_the_librarys_words(stripe: Any) -> None:
    exporter = InMemorySpanExporter()
    tracers = TracerProvider(shutdown_on_exit=False)
    tracers.add_span_processor(SimpleSpanProcessor(exporter))
    tracer = tracers.get_tracer("test")
    payment = wanted("pm_card_visa_chargeDeclined")

    with tracer.start_as_current_span("rpc"):
        await stripe.provider(tracer=tracer).authorize(payment, hold_key(payment))

    call = exporter.get_finished_spans()[0]
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
