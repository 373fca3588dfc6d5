"""Stripe's signed events, read with its own library.

Source: https://docs.stripe.com/webhooks#verify-official-libraries.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any, Final

import stripe
from typing_extensions import override

from services.payments.clients import verdicts
from services.payments.errors import EventMalformed, SignatureInvalid, SignatureStale
from services.payments.model import (
    IntentNews,
    News,
    PaymentId,
    Prepared,
    ProviderId,
    RefundId,
    RefundNews,
    Unknown,
)
from services.payments.ports import Newspaper
from services.payments.usecases.fields import is_uuid

TOLERANCE_SECONDS: Final = 300
"""How old a signature may be: the library's own default."""


class StripeNewspaper(Newspaper):
    """Believes what is signed with our secret, and was signed a moment ago.

    Args:
        secret: `whsec_...`, as Stripe shows it for our endpoint.
    """

    def __init__(self, secret: str) -> None:
        self._secret = secret

    @override
    def read(self, body: bytes, signature: str) -> News | None:
        self._verify(body, signature)
        try:
            event: dict[str, Any] = json.loads(body)
            subject: dict[str, Any] = event["data"]["object"]
            return _news(event["id"], subject)
        except (ValueError, LookupError, TypeError, AttributeError) as error:
            raise EventMalformed("the event is not one of Stripe's") from error

    def _verify(self, body: bytes, signature: str) -> None:
        verify = stripe.WebhookSignature.verify_header
        try:
            verify(body, signature, self._secret)
        except (stripe.SignatureVerificationError, UnicodeDecodeError) as error:
            raise SignatureInvalid("the Stripe-Signature header does not sign this body") from error
        try:
            verify(body, signature, self._secret, TOLERANCE_SECONDS)
        except stripe.SignatureVerificationError as error:
            raise SignatureStale(f"the event was signed more than {TOLERANCE_SECONDS} s ago") from error


def _news(event_id: str, subject: Mapping[str, Any]) -> News | None:
    """What an event says of a payment or a refund of ours; `None` when it says nothing new."""
    told = subject.get("metadata") or {}
    payment_id = told.get("payment_id", "")
    if not is_uuid(payment_id):
        return None
    if subject["object"] == "payment_intent":
        outcome = verdicts.of_intent(subject)
        if isinstance(outcome, Prepared | Unknown):
            return None
        return IntentNews(event_id, PaymentId(payment_id), ProviderId(subject["id"]), outcome)
    if subject["object"] == "refund" and is_uuid(told.get("refund_id", "")):
        given = verdicts.of_refund(subject)
        return RefundNews(event_id, PaymentId(payment_id), RefundId(told["refund_id"]), given)
    return None
