"""What payments does: hold money, take it, let go of it, give it back, and say how it stands.

Each step is the same: one transaction that says what will be asked, the provider
asked with no transaction open, one transaction with what came of it and what the
books say of it. Callers that come at once ask under the same key, so the provider
acts once, and whichever answer is kept first is the one that all of them get.
"""

from services.payments.usecases.asking import Asking
from services.payments.usecases.bookkeeping import Bookkeeping, Discrepancy
from services.payments.usecases.charging import Payments
from services.payments.usecases.gift_cards import GiftCards, IssuedGiftCard
from services.payments.usecases.listening import Listening
from services.payments.usecases.reconciling import Reconciling
from services.payments.usecases.refunding import Refunds

__all__ = [
    "Asking",
    "Bookkeeping",
    "Discrepancy",
    "GiftCards",
    "IssuedGiftCard",
    "Listening",
    "Payments",
    "Reconciling",
    "Refunds",
]
