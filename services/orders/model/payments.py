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


@dataclass(frozen=True, slots=True)
class Tender:
    """One way of paying an order, or a share of it.

    Attributes:
        handle: What the provider knows the card by; never a card number.
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


@dataclass(frozen=True, slots=True)
class Payment:
    """What the payments service says of an order's payment.

    Attributes:
        decline_reason: The provider's word, such as `insufficient_funds`; empty unless DECLINED.
    """

    id: PaymentId
    state: PaymentState
    decline_reason: str = ""
