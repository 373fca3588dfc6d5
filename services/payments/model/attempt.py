"""One time that somebody was asked to move money."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime
from enum import StrEnum

from services.payments.model.names import (
    AttemptId,
    Money,
    Operation,
    PaymentId,
    ProviderKey,
    RefundId,
    provider_key,
)
from services.payments.model.outcome import (
    Authorized,
    Captured,
    Declined,
    Doubt,
    GivenBack,
    Outcome,
    Prepared,
    Released,
    Unknown,
)
from services.payments.model.payment import Payment
from services.payments.model.refund import Refund

_CALLED_OFF = "called_off"


class AttemptState(StrEnum):
    """Where one attempt stands. One that stays SENT was cut off: what came of it is not known."""

    CREATED = "CREATED"
    """Kept; nothing that moves money was asked."""
    SENT = "SENT"
    """Money may have moved."""
    SUCCEEDED = "SUCCEEDED"
    DECLINED = "DECLINED"
    UNKNOWN = "UNKNOWN"


@dataclass(frozen=True, slots=True)
class Attempt:
    """One time that money was to move.

    Attributes:
        id: UUIDv7.
        payment_id: For which payment.
        operation: To do what.
        provider_key: Under which key; the same for every attempt at the same thing.
        amount: How much.
        state: Where it stands.
        detail: The provider's reason of a DECLINED one, our doubt about an UNKNOWN one; else empty.
        created_at: When it was kept.
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
    def at(cls, attempt_id: AttemptId, payment: Payment, operation: Operation, now: datetime) -> Attempt:
        """An attempt that is about to be made: kept before it is, so that none is ever made unseen.

        An authorization is CREATED until the provider is asked by a name that we keep.
        """
        key = provider_key(payment.id, operation)
        minor_units = payment.pending_minor or payment.amount.minor_units
        amount = Money(payment.amount.currency_code, minor_units)
        moves = operation is not Operation.AUTHORIZE or payment.provider_id != ""
        state = AttemptState.SENT if moves else AttemptState.CREATED
        return cls(attempt_id, payment.id, operation, key, amount, state, now)

    @classmethod
    def at_refund(cls, attempt_id: AttemptId, payment: Payment, refund: Refund, now: datetime) -> Attempt:
        """An attempt at a refund, which is about to be made."""
        key = provider_key(payment.id, Operation.REFUND, RefundId(refund.id))
        amount = Money(payment.amount.currency_code, refund.minor_units)
        return cls(attempt_id, payment.id, Operation.REFUND, key, amount, AttemptState.SENT, now)

    def sent(self) -> Attempt:
        """The attempt from the moment that money may move."""
        return replace(self, state=AttemptState.SENT)

    def ended(self, outcome: Outcome | GivenBack, now: datetime) -> Attempt:
        """The attempt with what came of it."""
        match outcome:
            case Released() if self.operation is not Operation.VOID:
                return replace(self, state=AttemptState.DECLINED, detail=_CALLED_OFF, ended_at=now)
            case Authorized() | Captured() | Released() | GivenBack():
                return replace(self, state=AttemptState.SUCCEEDED, ended_at=now)
            case Declined(reason):
                return replace(self, state=AttemptState.DECLINED, detail=reason, ended_at=now)
            case Prepared():
                return self._doubtful(Doubt.IN_FLIGHT, now)
            case Unknown(doubt):
                return self._doubtful(doubt, now)

    def _doubtful(self, doubt: Doubt, now: datetime) -> Attempt:
        return replace(self, state=AttemptState.UNKNOWN, detail=doubt, ended_at=now)
