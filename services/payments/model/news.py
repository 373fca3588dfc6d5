"""What the provider tells of its own accord. It may come twice, late, or in another order."""

from __future__ import annotations

from dataclasses import dataclass

from services.payments.model.names import PaymentId, ProviderId, RefundId
from services.payments.model.outcome import Outcome, RefundOutcome


@dataclass(frozen=True, slots=True)
class IntentNews:
    """How a payment stands at the provider, or stood when this was sent.

    Attributes:
        event_id: The provider's name for this piece of news.
        payment_id: Which payment, by what we told the provider when we made it.
        provider_id: Which of the provider's objects.
        outcome: How it stands.
    """

    event_id: str
    payment_id: PaymentId
    provider_id: ProviderId
    outcome: Outcome


@dataclass(frozen=True, slots=True)
class RefundNews:
    """How a refund of ours stands at the provider."""

    event_id: str
    payment_id: PaymentId
    refund_id: RefundId
    outcome: RefundOutcome


News = IntentNews | RefundNews
