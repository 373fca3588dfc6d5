"""A payment and what may become of it, as pure transitions.

A share of an order has one payment; its id, and the keys under which the provider is
asked, are derived from the order, so whoever asks again asks for the same thing.
Before the provider is asked the payment is UNKNOWN and says what is `pending`; only
an answer of the provider leads out of that: a caller that dies in between has not
lost or doubled anything. What the provider says only ever moves a payment forward,
so answers and news may come twice, late, and in any order.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Final

from services.payments.model.names import (
    NO_PROVIDER_ID,
    Method,
    Money,
    Operation,
    OrderId,
    PaymentId,
    ProviderId,
    payment_id,
)
from services.payments.model.outcome import (
    Authorized,
    Captured,
    Declined,
    Outcome,
    Prepared,
    Released,
    Unknown,
)

PATIENCE_SECONDS: Final = 10.0
"""How long whoever asks has the payment to itself: longer than one asking can take."""
_FIRST_PAUSE_SECONDS: Final = 1.0
_LONGEST_PAUSE_SECONDS: Final = 16.0
"""A provider that is back is asked within this time, and all is settled within a minute."""


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


_OPEN: Final = frozenset({PaymentState.CREATED, PaymentState.UNKNOWN})
_TAKEN: Final = frozenset({PaymentState.CAPTURED, PaymentState.PARTIALLY_REFUNDED, PaymentState.REFUNDED})


@dataclass(frozen=True, slots=True)
class Payment:
    """What one share of an order owes, and where it stands.

    Attributes:
        id: UUIDv5 of the order's id and the share.
        order_id: The order that it pays; empty for one that was voided before anybody asked for it.
        share: Which share of the order, from 0.
        method: How it is paid.
        amount: How much.
        payment_method: The provider's handle for the card, ours for a gift card; empty for cash.
        state: Where it stands.
        created_at: When it was kept.
        updated_at: When its state last changed.
        decline_reason: Why it is DECLINED, in the provider's words.
        provider_id: The provider's name for it, once one is known. It never changes after.
        held_minor: What is held.
        captured_minor: What was taken.
        refunded_minor: What was given back.
        pending: What was asked for and is not answered; set while it is UNKNOWN.
        pending_minor: How much of it, for a capture.
        ask_at: When somebody is to ask again; set while it is UNKNOWN.
        asks: How many askings in a row were not answered.
    """

    id: PaymentId
    order_id: OrderId
    share: int
    method: Method
    amount: Money
    payment_method: str
    state: PaymentState
    created_at: datetime
    updated_at: datetime
    decline_reason: str = ""
    provider_id: ProviderId = NO_PROVIDER_ID
    held_minor: int = 0
    captured_minor: int = 0
    refunded_minor: int = 0
    pending: Operation | None = None
    pending_minor: int = 0
    ask_at: datetime | None = None
    asks: int = 0

    @classmethod
    def of_order(
        cls,
        order_id: OrderId,
        amount: Money,
        payment_method: str,
        now: datetime,
        *,
        share: int = 0,
        method: Method = Method.CARD,
    ) -> Payment:
        """The payment of a share of an order, for which nothing was asked yet."""
        name = payment_id(order_id, share)
        return cls(name, order_id, share, method, amount, payment_method, PaymentState.CREATED, now, now)

    @classmethod
    def called_off(cls, name: PaymentId, now: datetime) -> Payment:
        """One that is voided before anybody asked for it: all that is known of it is its id."""
        return cls(name, OrderId(""), 0, Method.CARD, Money("", 0), "", PaymentState.VOIDED, now, now)

    @property
    def is_open(self) -> bool:
        """True while the provider has to be asked, or asked again, how it stands."""
        return self.state in _OPEN

    @property
    def is_taken(self) -> bool:
        """True once the money is ours, though some of it may have been given back."""
        return self.state in _TAKEN

    @property
    def is_unclaimed(self) -> bool:
        """True for one that was called off before anybody asked for it."""
        return not self.order_id

    @property
    def may_be_held(self) -> bool:
        """False where the provider cannot hold anything: it is asked to only by the name that we keep."""
        return self.held_minor > 0 or self.provider_id != ""

    def is_same_as(self, other: Payment) -> bool:
        """True when both ask for the same money in the same way."""
        return (self.amount, self.method, self.payment_method) == (
            other.amount,
            other.method,
            other.payment_method,
        )

    def claimed(self, wanted: Payment) -> Payment:
        """One that was called off, now that it is known what was called off."""
        return replace(
            self,
            order_id=wanted.order_id,
            share=wanted.share,
            method=wanted.method,
            amount=wanted.amount,
            payment_method=wanted.payment_method,
        )

    def asked(self, operation: Operation, now: datetime, minor_units: int = 0) -> Payment:
        """The payment from the moment that the provider may act on it."""
        asked = self if self.state is PaymentState.UNKNOWN else self._moved(PaymentState.UNKNOWN, now)
        return replace(
            asked,
            pending=operation,
            pending_minor=minor_units,
            ask_at=now + timedelta(seconds=PATIENCE_SECONDS),
            asks=0,
        )

    def settled(self, outcome: Outcome, now: datetime) -> Payment:  # noqa: PLR0911 - every case, once
        """The payment after an answer. Doubt, or an answer that comes late, takes back nothing."""
        if not self.is_open and self.state is not PaymentState.AUTHORIZED:
            return self
        match outcome:
            case Captured(provider_id, minor_units):
                taken = replace(self._ended(PaymentState.CAPTURED, now), captured_minor=minor_units)
                return replace(taken, provider_id=provider_id, held_minor=0)
            case Released(provider_id):
                return replace(self._ended(PaymentState.VOIDED, now), provider_id=provider_id, held_minor=0)
            case Authorized(provider_id) if self.pending is Operation.AUTHORIZE:
                held = replace(self._ended(PaymentState.AUTHORIZED, now), provider_id=provider_id)
                return replace(held, held_minor=self.amount.minor_units)
            case Declined(reason, provider_id) if self.pending in {Operation.AUTHORIZE, Operation.CAPTURE}:
                declined = replace(self._ended(PaymentState.DECLINED, now), decline_reason=reason)
                return replace(declined, provider_id=provider_id or self.provider_id, held_minor=0)
            case Prepared(provider_id) if self.pending is Operation.AUTHORIZE and not self.provider_id:
                return replace(self, provider_id=provider_id)
            case Unknown() if self.is_open:
                return self._put_off(now)
            case _:
                return self

    def voided(self, now: datetime) -> Payment:
        """The payment once nothing is held, and nothing can be."""
        return replace(self._ended(PaymentState.VOIDED, now), held_minor=0)

    def given_back(self, minor_units: int, now: datetime) -> Payment:
        """The payment after a refund."""
        refunded = self.refunded_minor + minor_units
        whole = refunded >= self.captured_minor
        state = PaymentState.REFUNDED if whole else PaymentState.PARTIALLY_REFUNDED
        return replace(self._moved(state, now), refunded_minor=refunded)

    def _put_off(self, now: datetime) -> Payment:
        pause = pause_seconds(self.asks)
        return replace(self, asks=self.asks + 1, ask_at=now + timedelta(seconds=pause))

    def _ended(self, state: PaymentState, now: datetime) -> Payment:
        return replace(self._moved(state, now), pending=None, pending_minor=0, ask_at=None, asks=0)

    def _moved(self, state: PaymentState, now: datetime) -> Payment:
        return replace(self, state=state, updated_at=max(now, self.created_at))


def pause_seconds(asks: int) -> float:
    """How long to leave the provider alone after so many askings in a row without an answer."""
    return min(_LONGEST_PAUSE_SECONDS, _FIRST_PAUSE_SECONDS * 2.0 ** min(asks, 10))
