"""Refunds: giving back what was captured, whole or in part.

Source: https://docs.stripe.com/api/refunds.
"""

from __future__ import annotations

from dataclasses import dataclass

from sandbox.stripe import errors, intents
from sandbox.stripe.forms import Parameters
from sandbox.stripe.ledger import Movement
from sandbox.stripe.objects import Object
from sandbox.stripe.work import Work

KIND = "refund"
URL = "/v1/refunds"
_DEFAULT_LIMIT = 10
_REASONS = frozenset({"duplicate", "fraudulent", "requested_by_customer"})


@dataclass(frozen=True)
class Create:
    """Ask for money to be given back; no amount means all that is left."""

    payment_intent: str
    amount: int | None
    reason: str | None
    metadata: dict[str, str]


@dataclass(frozen=True)
class Listing:
    """Ask for the refunds of one PaymentIntent."""

    payment_intent: str
    limit: int


def parse_list(parameters: Parameters) -> Listing:
    """Read the parameters of a list. Stripe has more; we ask for those of one intent."""
    return Listing(parameters.required("payment_intent"), parameters.integer("limit") or _DEFAULT_LIMIT)


def parse_create(parameters: Parameters) -> Create:
    """Read the parameters of a refund."""
    command = Create(
        payment_intent=parameters.required("payment_intent"),
        amount=parameters.integer("amount"),
        reason=parameters.choice("reason", _REASONS),
        metadata=parameters.metadata(),
    )
    if command.amount == 0:
        raise errors.parameter_invalid("amount", "Amount must be at least 1.", "parameter_invalid_integer")
    return command


def create(work: Work, _: str, command: Create) -> Object:
    """Give money back. See https://docs.stripe.com/api/refunds/create."""
    intent = work.find(intents.KIND, command.payment_intent, param="payment_intent")
    if intent["status"] != "succeeded":
        message = f"This PaymentIntent ({intent['id']}) does not have a successful charge to refund."
        raise errors.not_refundable(message)
    left = intent["amount_received"] - _refunded(work, intent)
    if left == 0:
        message = f"Charge {intent['latest_charge']} has already been refunded."
        raise errors.not_refundable(message, "charge_already_refunded")
    amount = left if command.amount is None else command.amount
    if amount > left:
        message = f"Refund amount ({amount}) is greater than unrefunded amount on charge ({left})."
        raise errors.not_refundable(message)
    refund = _new(work, intent, amount, command)
    work.objects.save(refund)
    work.move(Movement.REFUNDED, intent, amount)
    work.announce("refund.created", refund)
    return refund


def listed(work: Work, _: str, wanted: Listing) -> Object:
    """Refunds, newest first. See https://docs.stripe.com/api/refunds/list."""
    everything = work.objects.children(KIND, wanted.payment_intent)[::-1]
    return {
        "object": "list",
        "url": URL,
        "has_more": len(everything) > wanted.limit,
        "data": everything[: wanted.limit],
    }


def retrieve(work: Work, identifier: str, _: None) -> Object:
    """The refund as it is now."""
    return work.find(KIND, identifier, param="refund")


def _refunded(work: Work, intent: Object) -> int:
    return sum(refund["amount"] for refund in work.objects.children(KIND, intent["id"]))


def _new(work: Work, intent: Object, amount: int, command: Create) -> Object:
    return {
        "id": work.make_id("re"),
        "object": KIND,
        "amount": amount,
        "charge": intent["latest_charge"],
        "created": work.now,
        "currency": intent["currency"],
        "metadata": command.metadata,
        "payment_intent": intent["id"],
        "reason": command.reason,
        "status": "succeeded",
    }
