"""Where an order stands, what happens to it, and what comes next.

    PENDING ──────▶ AUTHORIZED ──▶ COMPLETED ──▶ PARTIALLY_REFUNDED ──▶ REFUNDED
     │  ▲ ▼                 │
     │  AWAITING_AGE_CHECK  │
     └────────┴─────────────┴────▶ CANCELLED or REJECTED

An order with restricted items waits in AWAITING_AGE_CHECK before anybody is asked
for money, and is PENDING again once its buyer's age was checked.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from typing import Final


class IllegalTransition(Exception):
    """An order was moved in a way that its life does not have: a fault of ours."""


class OrderState(StrEnum):
    """Where an order stands. See orders.proto."""

    PENDING = "PENDING"
    AWAITING_AGE_CHECK = "AWAITING_AGE_CHECK"
    AUTHORIZED = "AUTHORIZED"
    COMPLETED = "COMPLETED"
    CANCELLED = "CANCELLED"
    REJECTED = "REJECTED"
    REFUNDED = "REFUNDED"
    PARTIALLY_REFUNDED = "PARTIALLY_REFUNDED"

    @property
    def is_settled(self) -> bool:
        """True when the order no longer moves by itself and holds no reservation."""
        return self not in _OPEN


_OPEN: Final = frozenset({OrderState.PENDING, OrderState.AWAITING_AGE_CHECK, OrderState.AUTHORIZED})
_CALLED_OFF: Final = frozenset({OrderState.CANCELLED, OrderState.REJECTED})
_PAID_BACK: Final = frozenset({OrderState.PARTIALLY_REFUNDED, OrderState.REFUNDED})

NEXT: Final[Mapping[OrderState, frozenset[OrderState]]] = {
    OrderState.PENDING: _CALLED_OFF | {OrderState.AWAITING_AGE_CHECK, OrderState.AUTHORIZED},
    OrderState.AWAITING_AGE_CHECK: _CALLED_OFF | {OrderState.PENDING},
    OrderState.AUTHORIZED: _CALLED_OFF | {OrderState.COMPLETED},
    OrderState.COMPLETED: _PAID_BACK,
    OrderState.PARTIALLY_REFUNDED: _PAID_BACK,
    OrderState.CANCELLED: frozenset(),
    OrderState.REJECTED: frozenset(),
    OrderState.REFUNDED: frozenset(),
}
"""Which states may follow each."""


class EventName(StrEnum):
    """What happened to an order."""

    ORDER_CREATED = "order_created"
    AGE_CHECK_AWAITED = "age_check_awaited"
    AGE_VERIFIED = "age_verified"
    ORDER_AUTHORIZED = "order_authorized"
    ORDER_COMPLETED = "order_completed"
    PAYMENT_REFUSED = "payment_refused"
    """One share was refused: the others are given back, then the order is REJECTED."""
    CANCELLATION_REQUESTED = "cancellation_requested"
    """Somebody called it off: the money is given back, then the order is CANCELLED."""
    RESERVATION_EXPIRED = "reservation_expired"
    """As CANCELLATION_REQUESTED, by the clock."""
    ORDER_CANCELLED = "order_cancelled"
    ORDER_REJECTED = "order_rejected"
    REFUND_REQUESTED = "refund_requested"
    ORDER_PARTIALLY_REFUNDED = "order_partially_refunded"
    ORDER_REFUNDED = "order_refunded"

    @property
    def settles(self) -> bool:
        """True for what makes an open order a settled one."""
        return self in _SETTLING


_SETTLING: Final = frozenset({EventName.ORDER_COMPLETED, EventName.ORDER_CANCELLED, EventName.ORDER_REJECTED})


class Step(StrEnum):
    """What a worker does next for an order."""

    AUTHORIZE = "authorize"
    CAPTURE = "capture"
    GIVE_BACK = "give_back"
    """Void every share, or refund it where it was taken; only then release the stock."""
    REFUND = "refund"
    NOTHING = "nothing"
