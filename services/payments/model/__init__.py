"""A payment, what was tried for it, what may become of it, and what the books say.

One face: everything else here imports from `services.payments.model`.
"""

from services.payments.model.attempt import Attempt, AttemptState
from services.payments.model.gift_card import GiftCard
from services.payments.model.ledger import Account, Entry, Posting, Standing, issue_posting, posting_between
from services.payments.model.names import (
    MOST_MINOR,
    AttemptId,
    GiftCardId,
    Method,
    Money,
    Operation,
    OrderId,
    PaymentId,
    ProviderId,
    ProviderKey,
    RefundId,
    payment_id,
    provider_key,
)
from services.payments.model.news import IntentNews, News, RefundNews
from services.payments.model.outcome import (
    Authorized,
    Captured,
    Declined,
    Doubt,
    GivenBack,
    Outcome,
    Prepared,
    RefundOutcome,
    Released,
    Unknown,
)
from services.payments.model.payment import Payment, PaymentState
from services.payments.model.refund import Refund, RefundState

__all__ = [
    "MOST_MINOR",
    "Account",
    "Attempt",
    "AttemptId",
    "AttemptState",
    "Authorized",
    "Captured",
    "Declined",
    "Doubt",
    "Entry",
    "GiftCard",
    "GiftCardId",
    "GivenBack",
    "IntentNews",
    "Method",
    "Money",
    "News",
    "Operation",
    "OrderId",
    "Outcome",
    "Payment",
    "PaymentId",
    "PaymentState",
    "Posting",
    "Prepared",
    "ProviderId",
    "ProviderKey",
    "Refund",
    "RefundId",
    "RefundNews",
    "RefundOutcome",
    "RefundState",
    "Released",
    "Standing",
    "Unknown",
    "issue_posting",
    "payment_id",
    "posting_between",
    "provider_key",
]
