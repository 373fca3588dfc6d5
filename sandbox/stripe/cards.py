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
    """What one test card does. `needs_authentication`: it wants 3D Secure each time."""

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
    "pm_card_visa": Card(),
    "pm_card_visa_debit": Card(),
    "pm_card_mastercard": Card(),
    "pm_card_amex": Card(),
    "pm_card_discover": Card(),
    "pm_card_authenticationRequired": Card(needs_authentication=True),
    "pm_card_visa_chargeDeclined": Card(_declined("generic_decline")),
    "pm_card_visa_chargeDeclinedInsufficientFunds": Card(
        _declined("insufficient_funds", "Your card has insufficient funds.")
    ),
    "pm_card_visa_chargeDeclinedLostCard": Card(_declined("lost_card")),
    "pm_card_visa_chargeDeclinedStolenCard": Card(_declined("stolen_card")),
    "pm_card_visa_chargeDeclinedVelocityLimitExceeded": Card(_declined("card_velocity_exceeded")),
    "pm_card_chargeDeclinedExpiredCard": Card(Decline("expired_card", "Your card has expired.")),
    "pm_card_chargeDeclinedIncorrectCvc": Card(
        Decline("incorrect_cvc", "Your card's security code is incorrect.")
    ),
    "pm_card_chargeDeclinedProcessingError": Card(
        Decline(
            "processing_error", "An error occurred while processing your card. Try again in a little bit."
        )
    ),
}
