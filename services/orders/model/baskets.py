"""What somebody wants to buy, as asked for: not yet validated."""

from __future__ import annotations

from dataclasses import dataclass, field

from services.orders.model.money import Money
from services.orders.model.payments import TenderMethod


@dataclass(frozen=True, slots=True)
class BasketLine:
    """One position of a basket."""

    sku: str
    quantity: int


@dataclass(frozen=True, slots=True)
class Tendered:
    """One way to pay.

    Attributes:
        method: None where none was named.
        handle: What the provider knows the card by, or the gift card's code; empty for cash.
        amount: None where it was left out.
    """

    method: TenderMethod | None
    handle: str = field(repr=False)
    amount: Money | None = None


@dataclass(frozen=True, slots=True)
class Basket:
    """What is wanted, and how it is to be paid.

    Attributes:
        till_id: Empty for a sale without a till.
    """

    lines: tuple[BasketLine, ...]
    tenders: tuple[Tendered, ...]
    till_id: str = ""
