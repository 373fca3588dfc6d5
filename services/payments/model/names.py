"""What things are called: identifiers, the keys derived from them, and money."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Final, NewType
from uuid import UUID, uuid5

PaymentId = NewType("PaymentId", str)
OrderId = NewType("OrderId", str)
AttemptId = NewType("AttemptId", str)
RefundId = NewType("RefundId", str)
"""The caller's own name for a refund, a UUID."""
GiftCardId = NewType("GiftCardId", str)
ProviderId = NewType("ProviderId", str)
"""The provider's name for a payment, such as `pi_...`; empty while none is known."""
NO_PROVIDER_ID: Final = ProviderId("")
ProviderKey = NewType("ProviderKey", str)
"""Under which the provider does a thing at most once."""

MOST_MINOR: Final = 2**63 - 1
"""The largest amount that the wire and the database can carry."""

_PAYMENTS: Final = UUID("6f0d7f0e-4d5b-5a8c-9d3e-7c1f5e2b9a64")
"""The namespace of payment ids (RFC 9562, section 5.5). Changing it would charge open orders twice."""


class Method(StrEnum):
    """How a share of an order is paid."""

    CARD = "card"
    CASH = "cash"
    GIFT_CARD = "gift_card"


class Operation(StrEnum):
    """What can be asked for a payment."""

    AUTHORIZE = "authorize"
    CAPTURE = "capture"
    VOID = "void"
    REFUND = "refund"


@dataclass(frozen=True, slots=True)
class Money:
    """An amount in the smallest unit of an ISO 4217 currency."""

    currency_code: str
    minor_units: int


def payment_id(order_id: OrderId, share: int = 0) -> PaymentId:
    """The id of the payment of one share of an order, the same each time."""
    return PaymentId(str(uuid5(_PAYMENTS, order_id if share == 0 else f"{order_id}/{share}")))


def provider_key(payment: PaymentId, operation: Operation, refund_id: str = "") -> ProviderKey:
    """The key under which the provider does this once, however often it is asked."""
    return ProviderKey(":".join(filter(None, ("tillmesh", payment, operation, refund_id))))
