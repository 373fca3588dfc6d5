"""What payments needs from outside, in its own words.

The store's transaction is the only lock there is: whatever is done inside one is
kept whole or not at all. No transaction is open while the provider is asked.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from datetime import datetime
from typing import Protocol

from services.payments.model import (
    Attempt,
    GiftCard,
    Money,
    News,
    Outcome,
    Payment,
    PaymentId,
    Posting,
    ProviderKey,
    Refund,
    RefundId,
    RefundOutcome,
    Standing,
)


class Unit(Protocol):
    """What can be done in one transaction."""

    async def add_or_lock(self, payment: Payment) -> Payment:
        """Keep `payment` unless one with its id is kept; what is kept, ours alone until the end."""
        ...

    async def lock(self, payment_id: PaymentId) -> Payment | None:
        """The payment, ours alone until the end."""
        ...

    async def save(self, payment: Payment) -> None:
        """Keep the new state of a payment that is locked."""
        ...

    async def claim(self, payment: Payment) -> None:
        """Keep of what order a payment is that was called off before it was asked for."""
        ...

    async def add_attempt(self, attempt: Attempt) -> None:
        """Keep a new attempt."""
        ...

    async def save_attempt(self, attempt: Attempt) -> None:
        """Keep what came of an attempt."""
        ...

    async def refunds(self, payment_id: PaymentId) -> list[Refund]:
        """All refunds of a payment that is locked, oldest first."""
        ...

    async def save_refund(self, refund: Refund) -> None:
        """Keep a refund, new or in a new state, of a payment that is locked."""
        ...

    async def post(self, posting: Posting, now: datetime) -> None:
        """Write into the books, for good. What does not add up to zero ends the transaction."""
        ...

    async def add_gift_card(self, card: GiftCard) -> GiftCard:
        """Keep `card` unless one with its id is kept; what is kept."""
        ...

    async def find_gift_card(self, handle: str) -> GiftCard | None:
        """The gift card of a handle."""
        ...

    async def draw(self, handle: str, amount: Money) -> bool:
        """Take from a gift card's balance; False, and nothing taken, where it is not enough."""
        ...

    async def put_back(self, handle: str, minor_units: int) -> None:
        """Return to a gift card's balance what was drawn from it."""
        ...

    async def hear(self, news: News, now: datetime) -> bool:
        """Keep that this was heard; False for what was heard before."""
        ...

    async def work_on(self, news: News) -> None:
        """Have somebody believe it once the transaction is kept."""
        ...


class Store(Protocol):
    """Where payments are kept. Every call may raise `StoreUnavailable`."""

    def transaction(self) -> AbstractAsyncContextManager[Unit]:
        """One transaction: kept when the block ends, undone when it raises."""
        ...

    async def find(self, payment_id: PaymentId) -> Payment | None:
        """The payment as it is kept now."""
        ...

    async def attempts(self, payment_id: PaymentId) -> list[Attempt]:
        """All that was tried for a payment, oldest first."""
        ...

    async def lease_open_payments(self, now: datetime, until: datetime, limit: int) -> list[PaymentId]:
        """UNKNOWN payments that are due, longest due first; nobody else gets them before `until`."""
        ...

    async def lease_open_refunds(
        self, now: datetime, until: datetime, limit: int
    ) -> list[tuple[PaymentId, RefundId]]:
        """UNKNOWN refunds that are due, as for payments."""
        ...

    async def standings(self) -> Mapping[PaymentId, Standing]:
        """How each payment stands by its own row; those without money are left out."""
        ...

    async def standings_by_the_books(self) -> Mapping[PaymentId, Standing]:
        """How each payment stands by the ledger alone; those without money are left out."""
        ...

    async def gift_card_money(self) -> Mapping[str, int]:
        """By currency: what is left on gift cards, or drawn and held for payments."""
        ...

    async def gift_card_money_by_the_books(self) -> Mapping[str, int]:
        """By currency: what the ledger says is owed for gift cards."""
        ...

    async def unbalanced(self) -> Sequence[str]:
        """Ledger transactions that do not add up to zero: there can be none."""
        ...

    async def forget_news(self, before: datetime) -> int:
        """Forget what was heard before a moment; how much that was."""
        ...


class Provider(Protocol):
    """Who moves the money of cards.

    Asking is bounded by the deadline of the request that runs. Nothing is raised for
    what the provider does or fails to do: that is an outcome.
    """

    async def prepare(self, payment: Payment, key: ProviderKey) -> Outcome:
        """Make the payment known, at most once for one key. Holds nothing: doing it twice harms nobody."""
        ...

    async def hold(self, payment: Payment, key: ProviderKey) -> Outcome:
        """Hold the amount for the payment's `provider_id`: at most once, under any key."""
        ...

    async def capture(self, payment: Payment, key: ProviderKey) -> Outcome:
        """Take `pending_minor` of what is held for the `provider_id`: at most once, under any key."""
        ...

    async def cancel(self, payment: Payment, key: ProviderKey) -> Outcome:
        """Have nothing held for the `provider_id`, now or later; says so if it was taken before."""
        ...

    async def refund(self, payment: Payment, refund: Refund, key: ProviderKey) -> RefundOutcome:
        """Give back, at most once for one key; one that was asked for before is looked for first."""
        ...

    async def look(self, payment: Payment) -> Outcome:
        """How the payment's `provider_id` stands; moves nothing."""
        ...

    async def ping(self) -> None:
        """Return when the provider answers; raises `PeerUnavailable` when it does not."""
        ...


class Newspaper(Protocol):
    """Reads what claims to come from the provider."""

    def read(self, body: bytes, signature: str) -> News | None:
        """The news, `None` for what is none of ours.

        Raises:
            SignatureInvalid: Somebody else wrote it.
            SignatureStale: It was signed too long ago.
            EventMalformed: It is signed, and is no event.
        """
        ...


class Signals(Protocol):
    """What is worth counting and telling."""

    def attempt_ended(self, payment: Payment, attempt: Attempt, seconds: float) -> None:
        """Money was to move, and what came of it was there after so long."""
        ...

    def payment_settled(self, before: Payment, after: Payment) -> None:
        """A payment has changed its state."""
        ...

    def news_heard(self, *, is_new: bool) -> None:
        """The provider told something."""
        ...

    def news_refused(self, reason: str) -> None:
        """Something claimed to come from the provider, and was not believed."""
        ...
