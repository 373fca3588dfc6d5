"""What is believed of events: those that Stripe's own library says are signed, and signed just now."""

import json
import time
from collections.abc import Callable
from typing import Any

import pytest
import stripe as library

from servicekit.clock import uuid7
from servicekit.errors import Refusal
from services.payments.clients.newspaper import StripeNewspaper
from services.payments.model import (
    Authorized,
    Captured,
    Declined,
    GivenBack,
    IntentNews,
    PaymentId,
    ProviderId,
    RefundId,
    RefundNews,
    Released,
)

SECRET = "whsec_tests"
PAYMENT = PaymentId(uuid7())
REFUND = RefundId(uuid7())
PI = ProviderId("pi_1")


def intent(status: str, **more: Any) -> dict[str, Any]:
    told = {"object": "payment_intent", "id": PI, "status": status, "metadata": {"payment_id": PAYMENT}}
    return told | {"amount_received": 400} | more


def event(subject: dict[str, Any]) -> bytes:
    return json.dumps({"object": "event", "id": "evt_1", "data": {"object": subject}}).encode()


def signed(body: bytes, *, secret: str = SECRET, age_seconds: int = 0) -> str:
    header: str = library.WebhookSignature.generate_signature_header(
        body.decode(), secret, int(time.time()) - age_seconds
    )
    return header


def read(body: bytes) -> Any:
    return StripeNewspaper(SECRET).read(body, signed(body))


@pytest.mark.parametrize(
    ("subject", "outcome"),
    [
        (intent("requires_capture"), Authorized(PI)),
        (intent("succeeded"), Captured(PI, 400)),
        (intent("canceled"), Released(PI)),
        (
            intent("requires_payment_method", last_payment_error={"decline_code": "lost_card"}),
            Declined("lost_card", PI),
        ),
    ],
)
def test_an_event_tells_how_an_intent_stands(subject: dict[str, Any], outcome: Any) -> None:
    assert read(event(subject)) == IntentNews("evt_1", PAYMENT, PI, outcome)


def test_an_event_tells_how_a_refund_stands() -> None:
    refund = {"object": "refund", "id": "re_1", "status": "succeeded"}
    ours = refund | {"metadata": {"payment_id": PAYMENT, "refund_id": REFUND}}

    assert read(event(ours)) == RefundNews("evt_1", PAYMENT, REFUND, GivenBack(ProviderId("re_1")))
    assert read(event(refund | {"metadata": {"payment_id": PAYMENT}})) is None


@pytest.mark.parametrize(
    "subject",
    [
        intent("requires_confirmation"),
        intent("succeeded", metadata={}),
        intent("succeeded", metadata={"payment_id": "no uuid"}),
        {"object": "customer", "id": "cus_1"},
    ],
)
def test_what_says_nothing_of_our_payments_is_no_news(subject: dict[str, Any]) -> None:
    assert read(event(subject)) is None


BODY = event(intent("succeeded"))


@pytest.mark.parametrize(
    ("body", "sign", "reason"),
    [
        (BODY, lambda _: "", "SIGNATURE_INVALID"),
        (BODY, lambda _: "nonsense", "SIGNATURE_INVALID"),
        (BODY, lambda body: signed(body, secret="whsec_other"), "SIGNATURE_INVALID"),
        (BODY + b" ", lambda _: signed(BODY), "SIGNATURE_INVALID"),
        (b"\xff", lambda _: signed(BODY), "SIGNATURE_INVALID"),
        (BODY, lambda body: signed(body, age_seconds=301), "SIGNATURE_STALE"),
        (b"{}", signed, "EVENT_MALFORMED"),
        (b"[1]", signed, "EVENT_MALFORMED"),
        (b"no json", signed, "EVENT_MALFORMED"),
        (b'{"id": "evt_1", "data": {"object": 7}}', signed, "EVENT_MALFORMED"),
    ],
)
def test_what_is_not_believed_says_exactly_why(
    body: bytes, sign: Callable[[bytes], str], reason: str
) -> None:
    signature = sign(body)  # now, not when tests were collected: a signature is stale in five minutes

    with pytest.raises(Refusal) as refused:
        StripeNewspaper(SECRET).read(body, signature)

    assert refused.value.reason == reason
    assert SECRET not in str(refused.value)


def test_a_signature_may_be_five_minutes_old() -> None:
    assert StripeNewspaper(SECRET).read(BODY, signed(BODY, age_seconds=295)) is not None
