"""Stripe's test PaymentMethods: what each of them does when it is charged.

Source: https://docs.stripe.com/testing#declined-payments.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Decline:
    """Why a card is refused, in Stripe's words. `decline_code` is set where the issuer gives one."""

    code: str
    message: str
    decline_code: str | None = None


@dataclass(frozen=True)
class Card:
    """One test card.

    Attributes:
        brand: As Stripe names it.
        last4: The end of the test number.
        decline: Set for a card that is refused.
        needs_authentication: True for a card that wants 3D Secure each time.
    """

    brand: str
    last4: str
    decline: Decline | None = None
    needs_authentication: bool = False


def _declined(decline_code: str, message: str = "Your card was declined.") -> Decline:
    return Decline("card_declined", message, decline_code)


AUTHENTICATION_REQUIRED = Decline(
    "authentication_required",
    "Your card was declined. This transaction requires authentication.",
    "authentication_required",
)

CARDS: dict[str, Card] = {
    "pm_card_visa": Card("visa", "4242"),
    "pm_card_visa_debit": Card("visa", "5556"),
    "pm_card_mastercard": Card("mastercard", "4444"),
    "pm_card_amex": Card("amex", "8431"),
    "pm_card_discover": Card("discover", "9424"),
    "pm_card_authenticationRequired": Card("visa", "3184", needs_authentication=True),
    "pm_card_visa_chargeDeclined": Card("visa", "0002", _declined("generic_decline")),
    "pm_card_visa_chargeDeclinedInsufficientFunds": Card(
        "visa", "9995", _declined("insufficient_funds", "Your card has insufficient funds.")
    ),
    "pm_card_visa_chargeDeclinedLostCard": Card("visa", "9987", _declined("lost_card")),
    "pm_card_visa_chargeDeclinedStolenCard": Card("visa", "9979", _declined("stolen_card")),
    "pm_card_visa_chargeDeclinedVelocityLimitExceeded": Card(
        "visa", "6975", _declined("card_velocity_exceeded")
    ),
    "pm_card_chargeDeclinedExpiredCard": Card(
        "visa", "0069", Decline("expired_card", "Your card has expired.")
    ),
    "pm_card_chargeDeclinedIncorrectCvc": Card(
        "visa", "0127", Decline("incorrect_cvc", "Your card's security code is incorrect.")
    ),
    "pm_card_chargeDeclinedProcessingError": Card(
        "visa",
        "0119",
        Decline(
            "processing_error", "An error occurred while processing your card. Try again in a little bit."
        ),
    ),
}
