"""A payment, what was tried for it, and what may become of it.

An order has one payment; its id, and the keys under which the provider is asked,
are derived from the order, so whoever asks again asks for the same thing. Before
the provider is asked the payment is UNKNOWN, and only an answer of the provider
leads out of that: a caller that dies in between has not lost or doubled anything.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime
from enum import StrEnum
from typing import NewType
from uuid import UUID, uuid5

PaymentId = NewType("PaymentId", str)
OrderId = NewType("OrderId", str)
AttemptId = NewType("AttemptId", str)
ProviderId = NewType("ProviderId", str)
"""The provider's name for a payment, such as `pi_...`; empty while none is known."""
ProviderKey = NewType("ProviderKey", str)
"""Under which the provider does a thing at most once."""

_PAYMENTS = UUID("6f0d7f0e-4d5b-5a8c-9d3e-7c1f5e2b9a64")
"""The namespace of payment ids (RFC 9562, section 5.5). Changing it would charge open orders twice."""


class PaymentState(StrEnum):
    """Where a payment stands. See payments.proto."""

    CREATED = "CREATED"
    UNKNOWN = "UNKNOWN"
    AUTHORIZED = "AUTHORIZED"
    CAPTURED = "CAPTURED"
    DECLINED = "DECLINED"


_OPEN = frozenset({PaymentState.CREATED, PaymentState.UNKNOWN})


class Operation(StrEnum):
    """What the provider can be asked to do."""

    AUTHORIZE = "authorize"
    CAPTURE = "capture"


class Doubt(StrEnum):
    """Why it is not known what the provider did."""

    TIMEOUT = "timeout"
    """No answer in time."""
    CONNECTION = "connection"
    """The connection failed, before or after the provider had acted."""
    PROVIDER_ERROR = "provider_error"
    """The provider failed, and does not say at which point."""
    RATE_LIMITED = "rate_limited"
    """The provider has more to do than it wants to."""
    IN_FLIGHT = "in_flight"
    """The same was being asked by somebody else, for as long as we waited."""
    NOT_UNDERSTOOD = "not_understood"
    """The provider refused the call, not the card: our key, our account or our request is wrong."""


@dataclass(frozen=True, slots=True)
class Money:
    """An amount in the smallest unit of an ISO 4217 currency."""

    currency_code: str
    minor_units: int


@dataclass(frozen=True, slots=True)
class Authorized:
    """The provider holds the money."""

    provider_id: ProviderId


@dataclass(frozen=True, slots=True)
class Captured:
    """The money is ours."""

    provider_id: ProviderId


@dataclass(frozen=True, slots=True)
class Declined:
    """The provider refused, and holds nothing. `reason` is its word for why."""

    reason: str
    provider_id: ProviderId = ProviderId("")


@dataclass(frozen=True, slots=True)
class Unknown:
    """The provider may or may not have acted."""

    doubt: Doubt


Outcome = Authorized | Captured | Declined | Unknown
"""What came of asking the provider."""


class AttemptState(StrEnum):
    """Where one attempt stands. One that stays SENT was cut off: what came of it is not known."""

    SENT = "SENT"
    SUCCEEDED = "SUCCEEDED"
    DECLINED = "DECLINED"
    UNKNOWN = "UNKNOWN"


@dataclass(frozen=True, slots=True)
class Attempt:
    """One time that the provider was asked.

    Attributes:
        id: UUIDv7.
        payment_id: For which payment.
        operation: To do what.
        provider_key: Under which key; the same for every attempt at the same thing.
        amount: How much.
        state: Where it stands.
        detail: The provider's reason of a DECLINED one, our doubt about an UNKNOWN one; else empty.
        created_at: When it was sent.
        ended_at: When the outcome was there.
    """

    id: AttemptId
    payment_id: PaymentId
    operation: Operation
    provider_key: ProviderKey
    amount: Money
    state: AttemptState
    created_at: datetime
    detail: str = ""
    ended_at: datetime | None = None

    @classmethod
    def sent(cls, attempt_id: AttemptId, payment: Payment, operation: Operation, now: datetime) -> Attempt:
        """An attempt that is about to be made: kept before it is, so that none is ever made unseen."""
        key = provider_key(payment.id, operation)
        return cls(attempt_id, payment.id, operation, key, payment.amount, AttemptState.SENT, now)

    def ended(self, outcome: Outcome, now: datetime) -> Attempt:
        """The attempt with what came of it."""
        match outcome:
            case Authorized() | Captured():
                return replace(self, state=AttemptState.SUCCEEDED, ended_at=now)
            case Declined(reason):
                return replace(self, state=AttemptState.DECLINED, detail=reason, ended_at=now)
            case Unknown(doubt):
                return replace(self, state=AttemptState.UNKNOWN, detail=doubt, ended_at=now)


@dataclass(frozen=True, slots=True)
class Payment:
    """What an order owes, and where it stands.

    Attributes:
        id: UUIDv5 of the order's id.
        order_id: The order that it pays.
        amount: How much.
        payment_method: The provider's handle for the card.
        state: Where it stands.
        decline_reason: Why it is DECLINED, in the provider's words.
        provider_id: The provider's name for it, once one is known.
        created_at: When it was kept.
        updated_at: When its state last changed.
    """

    id: PaymentId
    order_id: OrderId
    amount: Money
    payment_method: str
    state: PaymentState
    created_at: datetime
    updated_at: datetime
    decline_reason: str = ""
    provider_id: ProviderId = ProviderId("")

    @classmethod
    def of_order(cls, order_id: OrderId, amount: Money, payment_method: str, now: datetime) -> Payment:
        """The payment of an order, of which nothing was asked yet."""
        return cls(payment_id(order_id), order_id, amount, payment_method, PaymentState.CREATED, now, now)

    @property
    def is_open(self) -> bool:
        """True while the provider has to be asked, or asked again, how it stands."""
        return self.state in _OPEN

    @property
    def can_be_captured(self) -> bool:
        """True when the money was held, though the answer to a capture may be missing."""
        return self.state is PaymentState.AUTHORIZED or (self.is_open and self.provider_id != "")

    def is_same_as(self, other: Payment) -> bool:
        """True when both ask for the same money from the same card."""
        return (self.amount, self.payment_method) == (other.amount, other.payment_method)

    def asked(self, now: datetime) -> Payment:
        """The payment from the moment that the provider may have acted on it."""
        return self if self.state is PaymentState.UNKNOWN else self._moved(PaymentState.UNKNOWN, now)

    def settled(self, outcome: Outcome, now: datetime) -> Payment:
        """The payment after an answer. Doubt, or an answer that comes late, takes back nothing."""
        match outcome:
            case Captured(provider_id) if self.state is not PaymentState.CAPTURED:
                return replace(self._moved(PaymentState.CAPTURED, now), provider_id=provider_id)
            case Authorized(provider_id) if self.is_open:
                return replace(self._moved(PaymentState.AUTHORIZED, now), provider_id=provider_id)
            case Declined(reason, provider_id) if self.is_open:
                declined = self._moved(PaymentState.DECLINED, now)
                return replace(declined, decline_reason=reason, provider_id=provider_id or self.provider_id)
            case _:
                return self

    def _moved(self, state: PaymentState, now: datetime) -> Payment:
        return replace(self, state=state, updated_at=now)


def payment_id(order_id: OrderId) -> PaymentId:
    """The id of an order's payment, the same each time."""
    return PaymentId(str(uuid5(_PAYMENTS, order_id)))


def provider_key(payment: PaymentId, operation: Operation) -> ProviderKey:
    """The key under which the provider does this once, however often it is asked."""
    return ProviderKey(f"tillmesh:{payment}:{operation}")
