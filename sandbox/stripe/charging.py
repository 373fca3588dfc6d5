"""What charging a card does to a PaymentIntent, and to the money.

Source: https://docs.stripe.com/payments/paymentintents/lifecycle.
"""

from __future__ import annotations

from sandbox.stripe import errors
from sandbox.stripe.cards import AUTHENTICATION_REQUIRED, CARDS, Card, Decline
from sandbox.stripe.ledger import Movement
from sandbox.stripe.objects import Object
from sandbox.stripe.work import Work


def card_of(payment_method: str) -> Card:
    """The test card; `resource_missing` for a PaymentMethod that Stripe has not."""
    card = CARDS.get(payment_method)
    if card is None:
        raise errors.missing("PaymentMethod", payment_method, param="payment_method", status=400)
    return card


def charge(work: Work, intent: Object, *, error_on_requires_action: bool) -> None:
    """Confirm the intent with the card that it names. A refused card raises, and is kept on the intent."""
    card = card_of(intent["payment_method"])
    if card.decline is not None:
        _decline(work, intent, card.decline)
    elif card.needs_authentication and error_on_requires_action:
        _decline(work, intent, AUTHENTICATION_REQUIRED)
    elif card.needs_authentication:
        intent |= {
            "status": "requires_action",
            "next_action": {"type": "use_stripe_sdk", "use_stripe_sdk": {}},
        }
        work.objects.save(intent)
        work.announce("payment_intent.requires_action", intent)
    else:
        _hold(work, intent)


def _decline(work: Work, intent: Object, decline: Decline) -> None:
    intent |= {
        "status": "requires_payment_method",
        "latest_charge": work.make_id("ch"),
        "last_payment_error": {
            "type": "card_error",
            "code": decline.code,
            "decline_code": decline.decline_code,
            "message": decline.message,
        },
        "payment_method": None,
    }
    work.objects.save(intent)
    work.announce("payment_intent.payment_failed", intent)
    raise errors.card_error(decline, intent)


def _hold(work: Work, intent: Object) -> None:
    intent |= {
        "status": "requires_capture",
        "amount_capturable": intent["amount"],
        "latest_charge": work.make_id("ch"),
        "last_payment_error": None,
        "next_action": None,
    }
    work.move(Movement.AUTHORISED, intent, intent["amount"])
    if intent["capture_method"] != "manual":
        take(work, intent, intent["amount"])
        return
    work.objects.save(intent)
    work.announce("payment_intent.amount_capturable_updated", intent)


def take(work: Work, intent: Object, amount: int) -> None:
    """Take `amount` of what is held, and let the rest go."""
    released = intent["amount_capturable"] - amount
    intent |= {"status": "succeeded", "amount_capturable": 0, "amount_received": amount}
    work.move(Movement.CAPTURED, intent, amount)
    if released:
        work.move(Movement.CANCELLED, intent, released)
    work.objects.save(intent)
    work.announce("payment_intent.succeeded", intent)
