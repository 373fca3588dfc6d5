"""Every error answer, in Stripe's shape and with Stripe's status.

Source: https://docs.stripe.com/api/errors, https://docs.stripe.com/error-codes
and https://docs.stripe.com/error-low-level.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from sandbox.stripe.cards import Decline

_INVALID = "invalid_request_error"
_DOCS = "https://stripe.com/docs/error-codes/"


@dataclass(frozen=True)
class Answer:
    """What goes back to the caller: a status, a JSON body, and headers of this call only."""

    status: int
    body: dict[str, Any]
    headers: dict[str, str] = field(default_factory=dict)


class StripeError(Exception):
    """An answer that is an error."""

    def __init__(
        self,
        status: int,
        kind: str,
        message: str,
        *,
        headers: Mapping[str, str] | None = None,
        **facts: object,
    ) -> None:
        """Refuse with `status`; `facts` are the further members of the error, such as `code`."""
        super().__init__(message)
        error = {name: fact for name, fact in facts.items() if fact is not None}
        if "code" in error:
            error["doc_url"] = _DOCS + str(error["code"]).replace("_", "-")
        self.answer = Answer(
            status, {"error": {**error, "message": message, "type": kind}}, dict(headers or {})
        )


def unauthenticated(message: str) -> StripeError:
    """No key, or one that is not a secret test key."""
    return StripeError(401, _INVALID, message)


def parameter_missing(name: str) -> StripeError:
    """A required parameter is absent."""
    return StripeError(
        400, _INVALID, f"Missing required param: {name}.", code="parameter_missing", param=name
    )


def parameter_unknown(names: Iterable[str]) -> StripeError:
    """Parameters that the endpoint does not have."""
    listed = sorted(names)
    message = f"Received unknown parameter{'s' if len(listed) > 1 else ''}: {', '.join(listed)}"
    return StripeError(400, _INVALID, message, code="parameter_unknown", param=listed[0])


def parameter_invalid(name: str, message: str, code: str | None = None) -> StripeError:
    """A parameter whose value is wrong."""
    return StripeError(400, _INVALID, message, code=code, param=name)


def malformed(message: str) -> StripeError:
    """A request that cannot be read at all."""
    return StripeError(400, _INVALID, message)


def unrecognized_url(method: str, path: str) -> StripeError:
    """No such endpoint."""
    message = f"Unrecognized request URL ({method}: {path}). Please see https://stripe.com/docs."
    return StripeError(404, _INVALID, message)


def missing(kind: str, identifier: str, *, param: str, status: int = 404) -> StripeError:
    """The object is not here: 404 where the URL names it, 400 where a parameter does."""
    message = f"No such {kind}: '{identifier}'"
    return StripeError(status, _INVALID, message, code="resource_missing", param=param)


def unexpected_state(intent: dict[str, Any], verb: str, allowed: Iterable[str]) -> StripeError:
    """The PaymentIntent is past, or not yet at, what was asked of it."""
    message = (
        f"This PaymentIntent could not be {verb} because it has a status of {intent['status']}. "
        f"Only a PaymentIntent with one of the following statuses may be {verb}: {', '.join(allowed)}."
    )
    return StripeError(400, _INVALID, message, code="payment_intent_unexpected_state", payment_intent=intent)


def not_refundable(message: str, code: str | None = None) -> StripeError:
    """More money than there is to give back."""
    return StripeError(400, _INVALID, message, code=code)


def card_error(decline: Decline, intent: dict[str, Any]) -> StripeError:
    """The card was refused; the PaymentIntent exists and is attached."""
    return StripeError(
        402,
        "card_error",
        decline.message,
        code=decline.code,
        decline_code=decline.decline_code,
        charge=intent["latest_charge"],
        payment_intent=intent,
    )


def key_reused(key: str) -> StripeError:
    """The idempotency key belongs to another request."""
    message = (
        "Keys for idempotent requests can only be used with the same parameters they were first used with. "
        f"Try using a key other than '{key}' if you meant to execute a different request."
    )
    return StripeError(400, "idempotency_error", message)


def key_in_use(key: str) -> StripeError:
    """The first request with this key is still being executed. Nothing of this one was."""
    message = f"There is currently another in-progress request using this idempotency key: {key}."
    headers = {"Stripe-Should-Retry": "true"}
    return StripeError(409, _INVALID, message, headers=headers, code="idempotency_key_in_use")


def rate_limited(retry_after_seconds: int) -> StripeError:
    """Too many requests. The limiter stands before the idempotency layer: nothing was executed or kept."""
    message = "Request rate limit exceeded. Learn more at https://stripe.com/docs/rate-limits"
    headers = {"Retry-After": str(retry_after_seconds), "Stripe-Rate-Limited-Reason": "global-rate"}
    return StripeError(429, _INVALID, message, headers=headers, code="rate_limit")


def internal() -> StripeError:
    """Stripe's own fault. It says nothing about what happened."""
    message = "An unknown error occurred. If this problem persists, contact support@stripe.com."
    return StripeError(500, "api_error", message, headers={"Stripe-Should-Retry": "false"})
