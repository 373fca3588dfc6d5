"""The books: every movement as entries that add up to zero.

An entry above zero is a debit, one below a credit. The entries of a change are
computed from the difference of two states and from nothing else, so the books and
the payments can be held against each other (`Standing`).

`held_funds` and `customer_holds` are the two sides of money that is held and not ours.
A tender account (`provider_clearing`, `cash_drawer`, `gift_card_liability`) is where the
money of a payment is, or what is no longer owed for it.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from services.payments.model.gift_card import GiftCard
from services.payments.model.names import Method, PaymentId
from services.payments.model.payment import Payment


class Account(StrEnum):
    """Where money is, or to whom it is owed."""

    HELD_FUNDS = "held_funds"
    CUSTOMER_HOLDS = "customer_holds"
    PROVIDER_CLEARING = "provider_clearing"
    CASH_DRAWER = "cash_drawer"
    GIFT_CARD_LIABILITY = "gift_card_liability"
    GIFT_CARD_FUNDING = "gift_card_funding"
    REVENUE = "revenue"
    REFUNDS = "refunds"


_TENDERS = {
    Method.CARD: Account.PROVIDER_CLEARING,
    Method.CASH: Account.CASH_DRAWER,
    Method.GIFT_CARD: Account.GIFT_CARD_LIABILITY,
}


@dataclass(frozen=True, slots=True)
class Entry:
    """One line of the books: above zero is a debit, below a credit."""

    account: Account
    minor_units: int


@dataclass(frozen=True, slots=True)
class Posting:
    """Entries that belong together and add up to zero, in one currency.

    Attributes:
        payment_id: The payment that moved; `None` where a gift card was issued.
        currency_code: Of all entries.
        entries: Two for each amount that moved.
    """

    payment_id: PaymentId | None
    currency_code: str
    entries: tuple[Entry, ...]


@dataclass(frozen=True, slots=True)
class Standing:
    """How a payment stands, by its own row or by the books."""

    held_minor: int
    captured_minor: int
    refunded_minor: int


def posting_between(before: Payment, after: Payment) -> Posting | None:
    """What the books say of a change; nothing when no money moved."""
    held = after.held_minor - before.held_minor
    taken = after.captured_minor - before.captured_minor
    given_back = after.refunded_minor - before.refunded_minor
    tender = _TENDERS[after.method]
    entries = (
        *_moved(Account.HELD_FUNDS, Account.CUSTOMER_HOLDS, held),
        *_moved(tender, Account.REVENUE, taken),
        *_moved(Account.REFUNDS, tender, given_back),
    )
    return Posting(after.id, after.amount.currency_code, entries) if entries else None


def issue_posting(card: GiftCard) -> Posting:
    """What the books say of a new gift card. How it was paid for is settled elsewhere."""
    entries = _moved(Account.GIFT_CARD_FUNDING, Account.GIFT_CARD_LIABILITY, card.issued.minor_units)
    return Posting(None, card.issued.currency_code, entries)


def _moved(debit: Account, credit: Account, minor_units: int) -> tuple[Entry, ...]:
    return (Entry(debit, minor_units), Entry(credit, -minor_units)) if minor_units else ()
