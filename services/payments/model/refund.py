"""A refund: asked for once under the caller's own name, given back once."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from enum import StrEnum

from services.payments.model.names import NO_PROVIDER_ID, PaymentId, ProviderId, RefundId
from services.payments.model.outcome import Declined, GivenBack, RefundOutcome, Unknown
from services.payments.model.payment import PATIENCE_SECONDS, pause_seconds


class RefundState(StrEnum):
    """Where a refund stands."""

    UNKNOWN = "UNKNOWN"
    SUCCEEDED = "SUCCEEDED"
    DECLINED = "DECLINED"


@dataclass(frozen=True, slots=True)
class Refund:
    """Money to give back.

    Attributes:
        payment_id: Of which payment.
        id: The caller's name for it, unique for the payment.
        minor_units: How much, in the payment's currency.
        state: Where it stands. What is UNKNOWN counts as given back when more is asked for.
        created_at: When it was kept.
        updated_at: When its state last changed.
        decline_reason: Why it is DECLINED, in the provider's words.
        provider_id: The provider's name for it, such as `re_...`.
        ask_at: When somebody is to ask again; set while it is UNKNOWN.
        asks: How many askings in a row were not answered.
    """

    payment_id: PaymentId
    id: RefundId
    minor_units: int
    state: RefundState
    created_at: datetime
    updated_at: datetime
    decline_reason: str = ""
    provider_id: ProviderId = NO_PROVIDER_ID
    ask_at: datetime | None = None
    asks: int = 0

    @classmethod
    def asked(cls, payment_id: PaymentId, name: RefundId, minor_units: int, now: datetime) -> Refund:
        """A refund that is about to be asked for."""
        ask_at = now + timedelta(seconds=PATIENCE_SECONDS)
        return cls(payment_id, name, minor_units, RefundState.UNKNOWN, now, now, ask_at=ask_at)

    @property
    def is_open(self) -> bool:
        """True while the provider has to be asked, or asked again."""
        return self.state is RefundState.UNKNOWN

    def settled(self, outcome: RefundOutcome, now: datetime) -> Refund:
        """The refund after an answer; what is settled stays as it is."""
        if not self.is_open:
            return self
        match outcome:
            case GivenBack(provider_id):
                return replace(self._ended(RefundState.SUCCEEDED, now), provider_id=provider_id)
            case Declined(reason):
                return replace(self._ended(RefundState.DECLINED, now), decline_reason=reason)
            case Unknown():
                ask_at = now + timedelta(seconds=pause_seconds(self.asks))
                return replace(self, asks=self.asks + 1, ask_at=ask_at)

    def _ended(self, state: RefundState, now: datetime) -> Refund:
        return replace(self, state=state, updated_at=max(now, self.created_at), ask_at=None, asks=0)
