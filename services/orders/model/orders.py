"""The life of an order: frozen values and pure transitions.

Each transition adds exactly one event, so the number of the last event is also the
version that a step begins from. A transition that `states.NEXT` does not allow is a
fault of ours and raises `IllegalTransition`; no caller ever sees it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any, NewType

from services.orders.model.events import OrderEvent
from services.orders.model.money import Money
from services.orders.model.payments import PaymentId, Tender
from services.orders.model.products import Sku
from services.orders.model.refunds import Refund, RefundId
from services.orders.model.states import NEXT, EventName, IllegalTransition, OrderState, Step

OrderId = NewType("OrderId", str)


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
class Closing:
    """How an order will end once its money is given back, and why."""

    state: OrderState
    reason: str


@dataclass(frozen=True, slots=True)
class Order:
    """A sale.

    Attributes:
        tenders: Their amounts add up to the total.
        placed_by: The user's subject.
        synthetic: Test traffic, kept out of every business figure.
        updated_at: When its last event happened.
        reserved_until: When the reservation may be called in, while there is one. Time alone takes
            nothing back: it begins the order's closing, and only money given back releases stock.
        till_id: Empty for a sale without a till.
        minimum_age: Years the buyer must have; 0 means anybody.
        sequence: Number of its last event.
        event: Its last event.
        closing: Set from the moment its end is decided until it has come.
        refunds: In the order they were asked for.
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
    till_id: str = ""
    minimum_age: int = 0
    sequence: int = 1
    event: EventName = EventName.ORDER_CREATED
    closing: Closing | None = None
    refunds: tuple[Refund, ...] = ()

    @property
    def is_settled(self) -> bool:
        """True when the order no longer moves by itself."""
        return self.state.is_settled

    @property
    def payment_id(self) -> PaymentId | None:
        """The payment of the first share, once there is one."""
        return self.tenders[0].payment_id

    @property
    def payment_ids(self) -> tuple[PaymentId | None, ...]:
        """The payment of each share, as far as known."""
        return tuple(tender.payment_id for tender in self.tenders)

    @property
    def last_event(self) -> OrderEvent:
        """What happened last."""
        at = self.updated_at
        return OrderEvent(self.sequence, self.event, at, self.state, self.state_reason, self.payment_ids)

    @property
    def step(self) -> Step:
        """What a worker does next."""
        if self.closing:
            return Step.GIVE_BACK
        if self.state is OrderState.PENDING:
            return Step.AUTHORIZE
        if self.state is OrderState.AUTHORIZED:
            return Step.CAPTURE
        return Step.REFUND if self.open_refund else Step.NOTHING

    @property
    def open_refund(self) -> Refund | None:
        """The oldest refund that is not made yet: refunds are made one after the other."""
        return next((refund for refund in self.refunds if refund.made_at_sequence is None), None)

    @property
    def refunded_minor(self) -> int:
        """What was given back up to the last event."""
        return sum(refund.minor_units for refund in self.refunds if refund.is_made(self.sequence))

    @property
    def last_refund(self) -> Money:
        """What was given back by the last event."""
        made = [one for one in self.refunds if one.made_at_sequence == self.sequence]
        return Money(self.total.currency_code, sum(refund.minor_units for refund in made))

    @property
    def refundable(self) -> tuple[int, ...]:
        """Minor units of each share that are neither given back nor promised to be."""
        promised = [sum(shares) for shares in zip(*(one.shares for one in self.refunds), strict=True)]
        paid = [tender.amount.minor_units for tender in self.tenders]
        return tuple(most - less for most, less in zip(paid, promised or [0] * len(paid), strict=True))

    def as_of(self, event: OrderEvent) -> Order:
        """The order as it was right after one of its events."""
        return replace(
            self._with_payments(event.payment_ids),
            state=event.state,
            state_reason=event.state_reason,
            updated_at=event.at,
            sequence=event.sequence,
            event=event.name,
        )

    def age_check_awaited(self, now: datetime) -> Order:
        """The order while somebody has to check the buyer's age."""
        return self._moved(OrderState.AWAITING_AGE_CHECK, EventName.AGE_CHECK_AWAITED, now)

    def age_verified(self, now: datetime) -> Order:
        """The order once its buyer is known to have the age: ready to be paid."""
        return self._moved(OrderState.PENDING, EventName.AGE_VERIFIED, now)

    def authorized(self, payment_ids: Sequence[PaymentId | None], now: datetime) -> Order:
        """The order once all of its money is held."""
        tenders = self._with_payments(payment_ids).tenders
        return self._moved(OrderState.AUTHORIZED, EventName.ORDER_AUTHORIZED, now, tenders=tenders)

    def completed(self, now: datetime) -> Order:
        """The order once the money is taken and the reservation consumed."""
        return self._moved(OrderState.COMPLETED, EventName.ORDER_COMPLETED, now)

    def closing_as(self, closing: Closing, event: EventName, now: datetime) -> Order:
        """The order once its end is decided and money may still have to be given back."""
        if self.closing or self.is_settled:
            raise IllegalTransition(f"order {self.id} is {self.state} and its end is decided")
        return self._noted(event, now, closing=closing)

    def closed(self, closing: Closing, now: datetime) -> Order:
        """The order at its end: none of its money is held, and its reservation is released."""
        is_cancelled = closing.state is OrderState.CANCELLED
        event = EventName.ORDER_CANCELLED if is_cancelled else EventName.ORDER_REJECTED
        return self._moved(closing.state, event, now, state_reason=closing.reason)

    def with_payment(self, share: int, payment_id: PaymentId | None) -> Order:
        """The order, knowing the payment of one share."""
        ids = list(self.payment_ids)
        ids[share] = payment_id or ids[share]
        return self._with_payments(ids)

    def refund_requested(self, refund: Refund, now: datetime) -> Order:
        """The order once somebody promised its buyer money back."""
        fits = all(0 <= share <= left for share, left in zip(refund.shares, self.refundable, strict=True))
        if OrderState.REFUNDED not in NEXT[self.state] or not fits:
            raise IllegalTransition(f"order {self.id} is {self.state} and cannot be refunded like this")
        return self._noted(EventName.REFUND_REQUESTED, now, refunds=(*self.refunds, refund))

    def refund_made(self, refund_id: RefundId, now: datetime) -> Order:
        """The order once that money is back."""
        made = self.sequence + 1
        refunds = tuple(
            replace(one, made_at_sequence=made) if one.id == refund_id else one for one in self.refunds
        )
        back = sum(refund.minor_units for refund in refunds if refund.is_made(made))
        if back == self.total.minor_units:
            return self._moved(OrderState.REFUNDED, EventName.ORDER_REFUNDED, now, refunds=refunds)
        event = EventName.ORDER_PARTIALLY_REFUNDED
        return self._moved(OrderState.PARTIALLY_REFUNDED, event, now, refunds=refunds)

    def _with_payments(self, payment_ids: Sequence[PaymentId | None]) -> Order:
        tenders = [
            replace(tender, payment_id=payment_id)
            for tender, payment_id in zip(self.tenders, payment_ids, strict=True)
        ]
        return replace(self, tenders=tuple(tenders))

    def _moved(self, state: OrderState, event: EventName, now: datetime, **changes: Any) -> Order:  # noqa: ANN401 - fields of mixed type
        is_decided_otherwise = self.closing is not None and state is not self.closing.state
        if state not in NEXT[self.state] or is_decided_otherwise:
            raise IllegalTransition(f"order {self.id} is {self.state} and cannot become {state}")
        if state.is_settled:
            changes |= {"reserved_until": None, "closing": None}
        return self._noted(event, now, state=state, **changes)

    def _noted(self, event: EventName, now: datetime, **changes: Any) -> Order:  # noqa: ANN401 - as above
        return replace(self, event=event, sequence=self.sequence + 1, updated_at=now, **changes)
