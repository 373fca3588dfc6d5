"""Attempts by name in PostgreSQL: the primary key decides who was first."""

from __future__ import annotations

from datetime import datetime
from typing import Final

import asyncpg
from typing_extensions import override

from servicekit.errors import IdempotencyKeyInFlight
from servicekit.postgres import Query
from services.orders.model import Attempt, Outcome
from services.orders.ports import Attempts
from services.orders.store.postgres.executor import Executor

# A row that another transaction has not committed yet is waited for, one second at most (SQLSTATE 55P03);
# what comes later in the transaction waits as usual: many buyers of one product queue for its row.
CLAIM: Final = Query(
    "idempotency_keys.claim",
    """
    INSERT INTO idempotency_keys (caller, operation, key, fingerprint, made, created_at)
    SELECT $1, $2, $3, $4, $5, $6 FROM set_config('lock_timeout', '1000', true)
    ON CONFLICT (caller, operation, key) DO NOTHING
    RETURNING set_config('lock_timeout', '0', true)
    """,
)
GET: Final = Query(
    "idempotency_keys.get",
    "SELECT fingerprint, made FROM idempotency_keys WHERE caller = $1 AND operation = $2 AND key = $3",
)
FORGET: Final = Query(
    "idempotency_keys.forget",
    """
    DELETE FROM idempotency_keys WHERE ctid IN (
        SELECT ctid FROM idempotency_keys WHERE created_at < $1 ORDER BY created_at LIMIT $2
        FOR UPDATE SKIP LOCKED
    )
    """,
)


class PostgresAttempts(Attempts):
    """What callers attempted."""

    def __init__(self, executor: Executor) -> None:
        self._executor = executor

    @override
    async def claim(self, attempt: Attempt, made: str, now: datetime) -> Outcome | None:
        name = attempt.caller, attempt.operation, attempt.key
        try:
            claimed = await self._executor.execute(CLAIM, *name, attempt.fingerprint, made, now)
        except asyncpg.LockNotAvailableError:
            raise _in_flight() from None
        if claimed:
            return None
        row = await self._executor.fetch_one(GET, *name)
        if row is None:  # forgotten between the two statements
            raise _in_flight()
        return Outcome(row["fingerprint"], row["made"])

    @override
    async def forget(self, before: datetime, limit: int) -> int:
        return await self._executor.execute(FORGET, before, limit)


def _in_flight() -> IdempotencyKeyInFlight:
    return IdempotencyKeyInFlight("a call with this idempotency key is being worked on")
