"""A gift card: money that we owe to whoever knows its code. The code itself is not kept."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from services.payments.model.names import GiftCardId, Money


@dataclass(frozen=True, slots=True)
class GiftCard:
    """One gift card.

    Attributes:
        id: UUIDv5 of who issued it under which key: repeating an issue names the same card.
        handle: Made of its code, one way: what a payment by it carries.
        issued: What it was worth when it was issued.
        balance_minor: What is left and not held.
        created_at: When it was issued.
    """

    id: GiftCardId
    handle: str
    issued: Money
    balance_minor: int
    created_at: datetime
