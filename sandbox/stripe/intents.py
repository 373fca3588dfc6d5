"""PaymentIntents: what may be asked, and what then happens to the money.

Source: https://docs.stripe.com/api/payment_intents and
https://docs.stripe.com/payments/paymentintents/lifecycle.
"""

from __future__ import annotations

from dataclasses import dataclass

from sandbox.stripe import charging, errors, search
from sandbox.stripe.forms import Parameters
from sandbox.stripe.ledger import Movement
from sandbox.stripe.objects import Object, Page
from sandbox.stripe.search import Search
from sandbox.stripe.work import Work

KIND = "payment_intent"
URL = "/v1/payment_intents"

_CAPTURE_METHODS = frozenset({"automatic", "automatic_async", "manual"})
_CANCELLATION_REASONS = frozenset({"duplicate", "fraudulent", "requested_by_customer", "abandoned"})
_CONFIRMABLE = ("requires_payment_method", "requires_confirmation", "requires_action")
_CANCELLABLE = (*_CONFIRMABLE, "requires_capture")

# https://docs.stripe.com/currencies#minimum-and-maximum-charge-amounts
_LARGEST = 99_999_999
_SMALLEST = {
    "usd": 50,
    "eur": 50,
    "gbp": 30,
    "chf": 50,
    "jpy": 50,
    "dkk": 250,
    "nok": 300,
    "sek": 300,
    "pln": 200,
}
_SMALLEST_ELSEWHERE = 50


@dataclass(frozen=True)
class Create:
    """Ask for a new PaymentIntent, and confirm it at once if wanted."""

    amount: int
    currency: str
    capture_method: str
    confirm: bool
    payment_method: str | None
    error_on_requires_action: bool
    description: str | None
    metadata: dict[str, str]


@dataclass(frozen=True)
class Confirm:
    """Ask for a PaymentIntent to be charged, with another card if one is given."""

    payment_method: str | None
    error_on_requires_action: bool


@dataclass(frozen=True)
class Capture:
    """Take what is held, or part of it."""

    amount: int | None


@dataclass(frozen=True)
class Cancel:
    """Let go of what is held."""

    reason: str | None


def parse_create(parameters: Parameters) -> Create:
    """Read the parameters that we use; any other is unknown here, though Stripe has more."""
    command = Create(
        amount=parameters.required_integer("amount"),
        currency=parameters.currency("currency"),
        capture_method=parameters.choice("capture_method", _CAPTURE_METHODS) or "automatic_async",
        confirm=parameters.boolean("confirm"),
        payment_method=parameters.text("payment_method"),
        error_on_requires_action=parameters.boolean("error_on_requires_action"),
        description=parameters.text("description"),
        metadata=parameters.metadata(),
    )
    _check_method_types(parameters)
    _check_amount(command.amount, command.currency)
    return command


def parse_confirm(parameters: Parameters) -> Confirm:
    """Read the parameters of a confirmation."""
    return Confirm(parameters.text("payment_method"), parameters.boolean("error_on_requires_action"))


def parse_capture(parameters: Parameters) -> Capture:
    """Read the parameters of a capture."""
    return Capture(parameters.integer("amount_to_capture"))


def parse_cancel(parameters: Parameters) -> Cancel:
    """Read the parameters of a cancellation."""
    return Cancel(parameters.choice("cancellation_reason", _CANCELLATION_REASONS))


def create(work: Work, _: str, command: Create) -> Object:
    """Make a PaymentIntent. See https://docs.stripe.com/api/payment_intents/create."""
    if command.payment_method is not None:
        charging.card_of(command.payment_method)
    elif command.confirm:
        raise errors.parameter_missing("payment_method")
    intent = _new(work, command)
    work.objects.save(intent)
    work.announce("payment_intent.created", intent)
    if command.confirm:
        charging.charge(work, intent, error_on_requires_action=command.error_on_requires_action)
    return intent


def retrieve(work: Work, identifier: str, _: None) -> Object:
    """The PaymentIntent as it is now."""
    return work.find(KIND, identifier, param="intent")


def confirm(work: Work, identifier: str, command: Confirm) -> Object:
    """Charge the card. See https://docs.stripe.com/api/payment_intents/confirm."""
    intent = work.find(KIND, identifier, param="intent")
    if intent["status"] not in _CONFIRMABLE:
        raise errors.unexpected_state(intent, "confirmed", _CONFIRMABLE)
    if command.payment_method is not None:
        charging.card_of(command.payment_method)
        intent["payment_method"] = command.payment_method
    if intent["payment_method"] is None:
        raise errors.parameter_missing("payment_method")
    charging.charge(work, intent, error_on_requires_action=command.error_on_requires_action)
    return intent


def capture(work: Work, identifier: str, command: Capture) -> Object:
    """Take what is held; what is left over is let go. See https://docs.stripe.com/api/payment_intents/capture."""
    intent = work.find(KIND, identifier, param="intent")
    if intent["status"] != "requires_capture":
        raise errors.unexpected_state(intent, "captured", ["requires_capture"])
    held = intent["amount_capturable"]
    amount = held if command.amount is None else command.amount
    if amount > held:
        message = "The amount to capture is greater than the amount that can be captured."
        raise errors.parameter_invalid("amount_to_capture", message, "amount_too_large")
    if amount == 0:
        message = "The amount to capture must be greater than zero."
        raise errors.parameter_invalid("amount_to_capture", message, "parameter_invalid_integer")
    charging.take(work, intent, amount)
    return intent


def cancel(work: Work, identifier: str, command: Cancel) -> Object:
    """Let go of what is held. See https://docs.stripe.com/api/payment_intents/cancel."""
    intent = work.find(KIND, identifier, param="intent")
    if intent["status"] not in _CANCELLABLE:
        raise errors.unexpected_state(intent, "canceled", _CANCELLABLE)
    if intent["amount_capturable"]:
        work.move(Movement.CANCELLED, intent, intent["amount_capturable"])
    intent |= {
        "status": "canceled",
        "amount_capturable": 0,
        "canceled_at": work.now,
        "cancellation_reason": command.reason,
    }
    work.objects.save(intent)
    work.announce("payment_intent.canceled", intent)
    return intent


def listed(work: Work, _: str, page: Page) -> Object:
    """PaymentIntents, newest first."""
    return work.objects.page(KIND, page, URL)


def found(work: Work, _: str, wanted: Search) -> Object:
    """PaymentIntents by their metadata. Stripe's index lags by up to a minute; ours when a fault says so."""
    return search.page(work, KIND, wanted, f"{URL}/search")


def _check_method_types(parameters: Parameters) -> None:
    """Only cards here. https://docs.stripe.com/changelog/endive/2026-09-30 took the older parameter away."""
    if parameters.texts("payment_method_types"):
        message = "The parameter payment_method_types is no longer supported on this API version."
        raise errors.parameter_invalid(
            "payment_method_types", message, "payment_method_types_no_longer_supported"
        )
    for method in parameters.texts("allowed_payment_method_types"):
        if method != "card":
            message = f"Invalid payment method type: {method}"
            raise errors.parameter_invalid("allowed_payment_method_types", message)


def _check_amount(amount: int, currency: str) -> None:
    smallest = _SMALLEST.get(currency, _SMALLEST_ELSEWHERE)
    if amount < smallest:
        message = f"Amount must be at least {smallest} in the smallest unit of {currency}."
        raise errors.parameter_invalid("amount", message, "amount_too_small")
    if amount > _LARGEST:
        raise errors.parameter_invalid(
            "amount", f"Amount must be no more than {_LARGEST}.", "amount_too_large"
        )


def _new(work: Work, command: Create) -> Object:
    identifier = work.make_id("pi")
    return {
        "id": identifier,
        "object": KIND,
        "amount": command.amount,
        "amount_capturable": 0,
        "amount_received": 0,
        "canceled_at": None,
        "cancellation_reason": None,
        "capture_method": command.capture_method,
        "client_secret": f"{identifier}_secret_{work.make_id('cs')}",
        "confirmation_method": "automatic",
        "created": work.now,
        "currency": command.currency,
        "customer": None,
        "description": command.description,
        "last_payment_error": None,
        "latest_charge": None,
        "livemode": False,
        "metadata": command.metadata,
        "next_action": None,
        "payment_method": command.payment_method,
        "payment_method_types": ["card"],
        "status": "requires_confirmation" if command.payment_method else "requires_payment_method",
    }
