"""The life of an order: frozen values and pure transitions.

A transition that the table below does not allow is a fault of ours and raises
`IllegalTransition`; no caller ever sees it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from enum import StrEnum
from typing import Any, Final, NewType

from services.orders.model.money import Money
from services.orders.model.payments import PaymentId, Tender
from services.orders.model.products import Sku

OrderId = NewType("OrderId", str)


class IllegalTransition(Exception):
    """An order was moved in a way that its life does not have."""


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
_NEXT: Final[Mapping[OrderState, frozenset[OrderState]]] = {
    OrderState.PENDING: frozenset({OrderState.AUTHORIZED, OrderState.REJECTED}),
    OrderState.AUTHORIZED: frozenset({OrderState.COMPLETED, OrderState.REJECTED}),
}


@dataclass(frozen=True, slots=True)
class OrderLine:
    """One position of an order, at the name and price of the moment it was placed."""

    sku: Sku
    name: str
    quantity: int
    unit_price: Money

    @property
    def total_minor(self) -> int:
        """What the position costs, in minor units."""
        return self.quantity * self.unit_price.minor_units


@dataclass(frozen=True, slots=True)
class Order:
    """A sale.

    Attributes:
        tenders: Exactly one until payments can be split.
        placed_by: The user's subject.
        synthetic: Test traffic, kept out of every business figure.
        reserved_until: When the reservation may be called in, while there is one. Nothing is taken
            back by time alone: the payment may be unsettled, and only its outcome may release stock.
    """

    id: OrderId
    state: OrderState
    state_reason: str
    lines: tuple[OrderLine, ...]
    tenders: tuple[Tender, ...]
    total: Money
    placed_by: str
    synthetic: bool
    created_at: datetime
    updated_at: datetime
    reserved_until: datetime | None

    @property
    def is_settled(self) -> bool:
        """True when the order no longer moves by itself."""
        return self.state.is_settled

    @property
    def tender(self) -> Tender:
        """The one tender."""
        return self.tenders[0]

    @property
    def payment_id(self) -> PaymentId | None:
        """The payment, once there is one."""
        return self.tender.payment_id

    def authorized(self, payment_id: PaymentId, now: datetime) -> Order:
        """The order once the provider holds the money."""
        tender = replace(self.tender, payment_id=payment_id)
        return self._moved(OrderState.AUTHORIZED, now, tenders=(tender,))

    def completed(self, now: datetime) -> Order:
        """The order once the money is taken and the reservation consumed."""
        return self._moved(OrderState.COMPLETED, now, reserved_until=None)

    def rejected(self, reason: str, payment_id: PaymentId | None, now: datetime) -> Order:
        """The order once its payment is refused and the reservation released."""
        tender = replace(self.tender, payment_id=payment_id or self.tender.payment_id)
        changes = {"state_reason": reason, "tenders": (tender,), "reserved_until": None}
        return self._moved(OrderState.REJECTED, now, **changes)

    def _moved(self, state: OrderState, now: datetime, **changes: Any) -> Order:  # noqa: ANN401 - fields of mixed type
        if state not in _NEXT.get(self.state, frozenset()):
            raise IllegalTransition(f"order {self.id} is {self.state} and cannot become {state}")
        return replace(self, state=state, updated_at=now, **changes)
