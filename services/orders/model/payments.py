"""How an order is paid, and what the payments service says of it."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum
from typing import NewType

from services.orders.model.money import Money

PaymentId = NewType("PaymentId", str)


class TenderMethod(StrEnum):
    """How a share of an order is paid."""

    CARD = "CARD"
    CASH = "CASH"
    GIFT_CARD = "GIFT_CARD"


@dataclass(frozen=True, slots=True)
class Tender:
    """One way of paying an order, or a share of it.

    Attributes:
        handle: What the provider knows the card by, never a card number; the code of a gift card;
            empty for cash.
        payment_id: The payment, once there is one.
    """

    method: TenderMethod
    handle: str = field(repr=False)
    amount: Money
    payment_id: PaymentId | None = None


class PaymentState(StrEnum):
    """Where a payment stands. See payments.proto."""

    CREATED = "CREATED"
    UNKNOWN = "UNKNOWN"
    AUTHORIZED = "AUTHORIZED"
    CAPTURED = "CAPTURED"
    DECLINED = "DECLINED"
    VOIDED = "VOIDED"
    PARTIALLY_REFUNDED = "PARTIALLY_REFUNDED"
    REFUNDED = "REFUNDED"

    @property
    def is_open(self) -> bool:
        """True while it is not known whether money moved."""
        return self in {PaymentState.CREATED, PaymentState.UNKNOWN}

    @property
    def is_taken(self) -> bool:
        """True once the money was ours, whatever was given back since."""
        return self in {PaymentState.CAPTURED, PaymentState.PARTIALLY_REFUNDED, PaymentState.REFUNDED}

    @property
    def is_nothing(self) -> bool:
        """True when the payment holds nothing and never will."""
        return self in {PaymentState.DECLINED, PaymentState.VOIDED}


@dataclass(frozen=True, slots=True)
class Payment:
    """What the payments service says of the payment of one share.

    Attributes:
        decline_reason: The provider's word, such as `insufficient_funds`; empty unless DECLINED.
        refunded_minor: What was given back of it.
    """

    id: PaymentId
    state: PaymentState
    decline_reason: str = ""
    refunded_minor: int = 0
