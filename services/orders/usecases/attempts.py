"""Attempts by name: one caller, one operation, one key, one effect.

What is stored of an attempt is the *name* of what it made, in the transaction that
made it, and the answer is told from that: a product and a delivery never change, and
an order keeps its events, so it is answered as it was (`answering.py`). A refused
attempt leaves nothing: the same key may be used again once the cause is mended.

A call whose key is in use right now joins: it waits for the other transaction (short,
for no provider is called inside one) and then answers the same. Only when that one
does not end in time, because its process hangs, is the call refused as in flight.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Final

from servicekit.clock import Clock
from servicekit.context import current
from servicekit.errors import FieldViolation, IdempotencyKeyReused, InvalidArgument
from services.orders.model import Attempt
from services.orders.ports import Store, Transaction

MAX_KEY_LENGTH: Final = 255

KEPT_FOR: Final = timedelta(days=30)
"""How long a name is remembered; after that it may be used anew."""

FORGET_AT_ONCE: Final = 1_000
"""Names forgotten in one transaction: a few milliseconds of it."""


def attempt_of(operation: str, fingerprint: bytes) -> Attempt:
    """What the running request attempts. Raises `InvalidArgument` for a key that cannot be kept."""
    request = current()
    if not 1 <= len(request.idempotency_key) <= MAX_KEY_LENGTH:
        fault = FieldViolation("idempotency-key", f"must have 1 to {MAX_KEY_LENGTH} characters")
        raise InvalidArgument("the idempotency key is not usable", violations=[fault])
    caller = request.caller.subject or f"service:{request.caller.service}"
    return Attempt(caller, operation, request.idempotency_key, fingerprint)


async def made_before(tx: Transaction, attempt: Attempt, made: str, now: datetime) -> str | None:
    """Claim the attempt's name for `made`; if it was used, the name of what that made.

    Raises `IdempotencyKeyReused` if it was used for another request.
    """
    earlier = await tx.attempts.claim(attempt, made, now)
    if earlier is None:
        return None
    if earlier.fingerprint != attempt.fingerprint:
        raise IdempotencyKeyReused("this idempotency key was used for another request")
    return earlier.made


class Retention:
    """Forgets the names of attempts that are too old to be repeated."""

    def __init__(self, store: Store, clock: Clock) -> None:
        self._store = store
        self._clock = clock

    async def sweep(self) -> int:
        """Forget what is older than `KEPT_FOR`; how many names that were."""
        before, forgotten = self._clock.now() - KEPT_FOR, 0
        while True:
            async with self._store.transaction() as tx:
                batch = await tx.attempts.forget(before, FORGET_AT_ONCE)
            forgotten += batch
            if batch < FORGET_AT_ONCE:
                return forgotten
