"""What Stripe's objects and errors mean for a payment. Decisions only: nothing here calls Stripe.

Source: https://docs.stripe.com/payments/paymentintents/lifecycle,
https://docs.stripe.com/error-handling and https://docs.stripe.com/error-low-level.
"""

from __future__ import annotations

from collections.abc import Mapping
from http import HTTPStatus
from typing import Any, Final

import stripe

from services.payments.model import (
    Authorized,
    Captured,
    Declined,
    Doubt,
    GivenBack,
    Outcome,
    Prepared,
    ProviderId,
    RefundOutcome,
    Released,
    Unknown,
)

_BEFORE: Final[Mapping[str, type[Outcome] | tuple[type[Outcome], ...]]] = {
    "payment_intents.confirm": Prepared,
    "payment_intents.capture": Authorized,
    "payment_intents.cancel": (Prepared, Authorized, Declined),
}
_NO_REFUNDS: Final = frozenset({"failed", "canceled"})

_CARD_PARAMETERS: Final = frozenset({"payment_method", "amount", "currency"})
"""Refusing one of these is refusing this payment; refusing any other is a fault of ours."""


def of_intent(intent: Mapping[str, Any]) -> Outcome:
    """How a payment stands whose PaymentIntent is this."""
    identifier = ProviderId(intent["id"])
    match intent["status"]:
        case "requires_capture":
            return Authorized(identifier)
        case "succeeded":
            return Captured(identifier, intent["amount_received"])
        case "canceled":
            return Released(identifier)
        case "requires_confirmation":
            return Prepared(identifier)
        case "requires_payment_method":
            return Declined(_decline_reason(intent.get("last_payment_error") or {}), identifier)
        case _:
            return Unknown(Doubt.IN_FLIGHT)


def of_error(error: stripe.StripeError) -> Outcome:
    """How a payment stands after Stripe answered like this, or not at all."""
    match error:
        case stripe.CardError():
            return _of_card_error(_body(error))
        case stripe.InvalidRequestError():
            return _of_invalid_request(_body(error))
        case _:
            return Unknown(_doubt(error))


def standing_before(operation: str) -> type[Outcome] | tuple[type[Outcome], ...]:
    """How an intent stands to which this was not done yet, and still can be."""
    return _BEFORE[operation]


def of_refund(refund: Mapping[str, Any]) -> RefundOutcome:
    """How a refund stands. A pending one is on its way: Stripe tells us should it fail."""
    if refund["status"] in _NO_REFUNDS:
        return Declined(refund.get("failure_reason") or refund["status"], ProviderId(refund["id"]))
    return GivenBack(ProviderId(refund["id"]))


def of_refund_error(error: stripe.StripeError) -> RefundOutcome:
    """How a refund stands after Stripe answered like this, or not at all."""
    if isinstance(error, stripe.InvalidRequestError) and not did_nothing(error):
        return Declined(_body(error).get("code") or "refused")
    return Unknown(_doubt(error))


def is_in_flight(error: stripe.StripeError) -> bool:
    """True when a call with the same key is being executed; of this one nothing was."""
    return error.http_status == HTTPStatus.CONFLICT


def did_nothing(error: stripe.StripeError) -> bool:
    """True when Stripe says that it did not execute the call, and another moment may suit it."""
    return is_in_flight(error) or isinstance(error, stripe.RateLimitError)


def burnt_by(error: stripe.StripeError) -> str:
    """The id of the call whose failure Stripe keeps as its answer to a key; empty for any other error.

    Such a key will never be answered otherwise: "retries with the same key return the
    saved response, including 500 errors" (https://docs.stripe.com/api/idempotent_requests).
    """
    status = error.http_status or 0
    headers = error.headers or {}
    if status < HTTPStatus.INTERNAL_SERVER_ERROR or headers.get("idempotent-replayed") != "true":
        return ""
    return headers.get("original-request", "")


def retry_after_seconds(error: stripe.StripeError) -> float:
    """How long Stripe asks us to wait; 0 where it does not say."""
    value = (error.headers or {}).get("retry-after", "")
    return float(value) if value.isdecimal() else 0.0


def _doubt(error: stripe.StripeError) -> Doubt:
    match error:
        case stripe.RateLimitError():
            return Doubt.RATE_LIMITED
        case stripe.APIConnectionError():
            return Doubt.CONNECTION
        case stripe.AuthenticationError() | stripe.PermissionError() | stripe.IdempotencyError():
            return Doubt.NOT_UNDERSTOOD
        case _:
            return Doubt.IN_FLIGHT if is_in_flight(error) else Doubt.PROVIDER_ERROR


def _of_card_error(body: Mapping[str, Any]) -> Outcome:
    intent: Mapping[str, Any] = body.get("payment_intent") or {}
    return Declined(_decline_reason(body), ProviderId(intent.get("id", "")))


def _of_invalid_request(body: Mapping[str, Any]) -> Outcome:
    if body.get("code") == "payment_intent_unexpected_state" and body.get("payment_intent"):
        return of_intent(body["payment_intent"])
    if body.get("param") in _CARD_PARAMETERS:
        return Declined(body.get("code") or f"invalid_{body['param']}")
    return Unknown(Doubt.NOT_UNDERSTOOD)


def _decline_reason(body: Mapping[str, Any]) -> str:
    return body.get("decline_code") or body.get("code") or "declined"


def _body(error: stripe.StripeError) -> Mapping[str, Any]:
    document = error.json_body
    body = document.get("error") if isinstance(document, dict) else None
    return body if isinstance(body, dict) else {}
