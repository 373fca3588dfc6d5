"""Attempts by name: one caller, one operation, one key, one effect.

What is stored of an attempt is the *name* of what it made, in the transaction that
made it, so a repeated call answers with that: a product and a delivery never change,
and an order is answered as it now is. A refused attempt leaves nothing, so the same
key may be used again once the cause is mended.

A call whose key is in use right now joins: it waits for the other transaction (short,
for no provider is called inside one) and then answers the same. Only when that one
does not end in time, because its process hangs, is the call refused as in flight.
"""

from __future__ import annotations

from datetime import datetime
from typing import Final

from servicekit.context import current
from servicekit.errors import FieldViolation, IdempotencyKeyReused, InvalidArgument
from services.orders.model import Attempt
from services.orders.ports import Transaction

MAX_KEY_LENGTH: Final = 255


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
