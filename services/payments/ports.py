"""What payments needs from outside, in its own words.

The store's transaction is the only lock there is: whatever is done inside one is
kept whole or not at all. No transaction is open while the provider is asked.
"""

from __future__ import annotations

from contextlib import AbstractAsyncContextManager
from typing import Protocol

from services.payments.model import Attempt, Outcome, Payment, PaymentId, ProviderKey


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

    async def add_attempt(self, attempt: Attempt) -> None:
        """Keep a new attempt."""
        ...

    async def save_attempt(self, attempt: Attempt) -> None:
        """Keep what came of an attempt."""
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


class Provider(Protocol):
    """Who moves the money.

    Asking is bounded by the deadline of the request that runs. Nothing is raised for
    what the provider does or fails to do: that is an outcome.
    """

    async def authorize(self, payment: Payment, key: ProviderKey) -> Outcome:
        """Hold the amount: at most once for one key."""
        ...

    async def capture(self, payment: Payment, key: ProviderKey) -> Outcome:
        """Take what is held for the payment's `provider_id`, or say that it was taken before."""
        ...

    async def look(self, payment: Payment) -> Outcome:
        """How the payment's `provider_id` stands; moves nothing."""
        ...

    async def ping(self) -> None:
        """Return when the provider answers; raises `PeerUnavailable` when it does not."""
        ...


class Signals(Protocol):
    """What is worth counting and telling."""

    def attempt_ended(self, attempt: Attempt, seconds: float) -> None:
        """The provider was asked, and what came of it was there after so long."""
        ...

    def payment_settled(self, payment: Payment) -> None:
        """A payment has changed its state by an answer of the provider."""
        ...
