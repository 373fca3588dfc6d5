"""Cash and gift cards: money that the shop itself holds, so each step is one transaction and no doubt."""

from __future__ import annotations

from services.payments.model import (
    Authorized,
    Captured,
    Declined,
    Method,
    Outcome,
    Payment,
    ProviderId,
    Released,
)
from services.payments.ports import Unit

_NOBODY = ProviderId("")


async def hold(unit: Unit, payment: Payment) -> Outcome:
    """Cash is held by its nature; of a gift card the amount is drawn."""
    if payment.method is Method.CASH or await unit.draw(payment.payment_method, payment.amount):
        return Authorized(_NOBODY)
    card = await unit.find_gift_card(payment.payment_method)
    if card is None:
        return Declined("unknown_gift_card")
    same_currency = card.issued.currency_code == payment.amount.currency_code
    return Declined("insufficient_funds" if same_currency else "currency_mismatch")


async def take(unit: Unit, payment: Payment, minor_units: int) -> Outcome:
    """Keep a part of what is held; a gift card gets the rest back."""
    await put_back(unit, payment, payment.held_minor - minor_units)
    return Captured(_NOBODY, minor_units)


async def let_go(unit: Unit, payment: Payment) -> Outcome:
    """Return all that is held."""
    await put_back(unit, payment, payment.held_minor)
    return Released(_NOBODY)


async def put_back(unit: Unit, payment: Payment, minor_units: int) -> None:
    """Return an amount: cash over the counter, the other to the gift card."""
    if payment.method is Method.GIFT_CARD and minor_units:
        await unit.put_back(payment.payment_method, minor_units)
