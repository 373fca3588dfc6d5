"""What a shop sells, how much of it there is, and the life of an order.

Frozen values and pure transitions. A transition that the table below does not
allow is a fault of ours and raises `IllegalTransition`; no caller ever sees it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from enum import StrEnum
from typing import Any, Final, Generic, NewType, TypeVar

Sku = NewType("Sku", str)
OrderId = NewType("OrderId", str)
PaymentId = NewType("PaymentId", str)
ErrandId = NewType("ErrandId", str)
DeliveryId = NewType("DeliveryId", str)

T = TypeVar("T")


class IllegalTransition(Exception):
    """An order was moved in a way that its life does not have."""


@dataclass(frozen=True, slots=True)
class Money:
    """An amount of one currency.

    Attributes:
        currency_code: ISO 4217, in capitals.
        minor_units: In the currency's smallest unit.
    """

    currency_code: str
    minor_units: int


@dataclass(frozen=True, slots=True)
class Product:
    """Something the shop sells. Never changed once added.

    Attributes:
        minimum_age: Years a buyer must have; 0 means anybody.
    """

    sku: Sku
    name: str
    price: Money
    minimum_age: int
    created_at: datetime


@dataclass(frozen=True, slots=True)
class Stock:
    """The units of one product.

    Attributes:
        on_hand: Units in the shop.
        reserved: Units promised to open orders; never above `on_hand`.
    """

    sku: Sku
    on_hand: int
    reserved: int
    updated_at: datetime

    @property
    def available(self) -> int:
        """Units that can be sold."""
        return self.on_hand - self.reserved


@dataclass(frozen=True, slots=True)
class Delivery:
    """Units that arrived, and the stock right after: what a repeated restock answers with."""

    id: DeliveryId
    quantity: int
    received_by: str
    stock: Stock


@dataclass(frozen=True, slots=True)
class BasketLine:
    """One position of a basket, as asked for: not yet validated."""

    sku: str
    quantity: int


@dataclass(frozen=True, slots=True)
class Basket:
    """What somebody wants to buy, as asked for: not yet validated.

    Attributes:
        cards: The provider's handle of each card tender; empty for a tender without a method.
    """

    lines: tuple[BasketLine, ...]
    cards: tuple[str, ...] = field(repr=False)


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


@dataclass(frozen=True, slots=True)
class Errand:
    """Work on one order, leased: whoever holds the newest token may finish it.

    Attributes:
        token: Fencing token; it grows with each lease.
    """

    id: ErrandId
    order_id: OrderId
    token: int


@dataclass(frozen=True, slots=True)
class Attempt:
    """A caller's named attempt at an operation.

    Attributes:
        caller: Whose names these are: two callers may use the same key.
        operation: What is attempted; a key of one operation says nothing about another.
        fingerprint: SHA-256 of the request.
    """

    caller: str
    operation: str
    key: str
    fingerprint: bytes


@dataclass(frozen=True, slots=True)
class Outcome:
    """What an earlier attempt left.

    Attributes:
        fingerprint: SHA-256 of the request it was made with.
        made: Name of what it made: an order's id, a SKU, a delivery's id.
    """

    fingerprint: bytes
    made: str


@dataclass(frozen=True, slots=True)
class Page(Generic[T]):
    """Part of a list; `next_token` is empty on the last."""

    items: tuple[T, ...]
    next_token: str
