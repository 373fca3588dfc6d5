"""The offline queue in PostgreSQL.

A till's row is the lock of its queue: taking a batch, ending a sale and giving the till
back all change it first. Batches are taken one at a time, under an advisory lock that
ends with its transaction, so the bounds hold for all tills together; work on sales that
wait is never held up by it.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from datetime import datetime
from typing import Any, Final
from uuid import UUID

from typing_extensions import override

from servicekit.postgres import Database, Query, Transaction
from services.orders.model import Money, OrderId
from services.orders.model.offline import (
    Conflict,
    Ending,
    Gap,
    QueueDepth,
    QueuedSale,
    TillId,
    TillReport,
    Turn,
)
from services.orders.ports.offline import Intakes, OfflineQueue, TurnLost
from services.orders.wire import offline as offline_wire

_ONE_BATCH_AT_A_TIME: Final = 0x6F66666C696E65  # "offline", in ASCII

TAKE_TURN: Final = Query("offline_sales.lock", "SELECT pg_advisory_xact_lock($1)")
OPEN: Final = Query(
    "offline_tills.open",
    """
    INSERT INTO offline_tills AS till (till_id, due_at) VALUES ($1, $2)
    ON CONFLICT (till_id) DO UPDATE SET due_at = coalesce(till.due_at, excluded.due_at)
    RETURNING forgotten_through
    """,
)
FINGERPRINTS: Final = Query(
    "offline_sales.fingerprints",
    "SELECT sequence, fingerprint FROM offline_sales WHERE till_id = $1 AND sequence = ANY($2::bigint[])",
)
WAITING: Final = Query(
    "offline_sales.waiting",
    """
    SELECT count(*) FILTER (WHERE till_id = $1) AS of_till, count(*) AS of_all
    FROM offline_sales WHERE ended_at IS NULL
    """,
)
ADD: Final = Query(
    "offline_sales.add",
    """
    INSERT INTO offline_sales (till_id, placed_by, synthetic, request_id, received_at,
        sequence, fingerprint, content, sale_time, currency_code, charged_minor)
    SELECT $1, $2, $3, $4, $5, sale.*
    FROM unnest($6::bigint[], $7::bytea[], $8::bytea[], $9::timestamptz[], $10::text[], $11::bigint[]) AS sale
    """,
)
LEASE: Final = Query(
    "offline_tills.lease",
    """
    WITH due AS (
        SELECT till_id FROM offline_tills WHERE due_at <= $1 ORDER BY due_at LIMIT $2 FOR UPDATE SKIP LOCKED
    )
    UPDATE offline_tills AS till SET token = token + 1, due_at = $3
    FROM due WHERE till.till_id = due.till_id
    RETURNING till.till_id, token
    """,
)
NEXT: Final = Query(
    "offline_sales.next",
    """
    SELECT till_id, content, placed_by, synthetic, request_id
    FROM offline_sales WHERE till_id = $1 AND ended_at IS NULL ORDER BY sequence LIMIT $2
    """,
)
# The till's row is changed first: a worker whose lease was taken changes nothing.
END: Final = Query(
    "offline_sales.end",
    """
    WITH held AS (
        UPDATE offline_tills SET due_at = $4 WHERE till_id = $1 AND token = $2 RETURNING till_id
    )
    UPDATE offline_sales AS sale
    SET ended_at = $5, order_id = $6, reason = $7, description = $8, content = NULL
    FROM held WHERE sale.till_id = held.till_id AND sequence = $3 AND ended_at IS NULL
    """,
)
HOLD: Final = Query(
    "offline_tills.hold", "SELECT 1 FROM offline_tills WHERE till_id = $1 AND token = $2 FOR UPDATE"
)
# A statement of its own, after the lock: it must see the sales of whoever held the lock before.
GIVE_BACK: Final = Query(
    "offline_tills.give_back",
    """
    UPDATE offline_tills SET due_at = CASE WHEN EXISTS
        (SELECT 1 FROM offline_sales WHERE till_id = $1 AND ended_at IS NULL) THEN $2::timestamptz END
    WHERE till_id = $1
    """,
)
REPORT: Final = Query(
    "offline_sales.report",
    """
    SELECT
        (SELECT count(*) FROM offline_sales WHERE till_id = $1 AND ended_at IS NULL) AS waiting,
        (SELECT count(*) FROM offline_sales WHERE till_id = $1 AND ended_at IS NOT NULL AND reason = '')
            AS completed,
        (SELECT count(*) FROM offline_sales WHERE till_id = $1 AND reason <> '') AS conflicted
    FROM offline_tills WHERE till_id = $1
    """,
)
GAPS: Final = Query(
    "offline_sales.gaps",
    """
    WITH known AS (
        SELECT forgotten_through AS sequence FROM offline_tills WHERE till_id = $1
        UNION
        SELECT sequence FROM offline_sales WHERE till_id = $1
            AND sequence > (SELECT forgotten_through FROM offline_tills WHERE till_id = $1)
    ), pairs AS (
        SELECT sequence, lead(sequence) OVER (ORDER BY sequence) AS following FROM known
    )
    SELECT sequence + 1 AS first, following - 1 AS last
    FROM pairs WHERE following - sequence > 1 ORDER BY sequence LIMIT $2
    """,
)
CONFLICTS: Final = Query(
    "offline_sales.conflicts",
    """
    SELECT sequence, sale_time, currency_code, charged_minor, order_id, reason, description
    FROM offline_sales WHERE till_id = $1 AND reason <> '' AND sequence > $2 ORDER BY sequence LIMIT $3
    """,
)
DEPTH: Final = Query(
    "offline_sales.depth",
    """
    SELECT count(*) AS waiting,
        greatest(0, coalesce(extract(epoch FROM $1 - min(received_at)), 0))::float8 AS oldest_seconds
    FROM offline_sales WHERE ended_at IS NULL AND NOT synthetic
    """,
)
FORGET: Final = Query(
    "offline_sales.forget",
    """
    WITH old AS (
        SELECT till_id, sequence FROM offline_sales WHERE ended_at < $1 ORDER BY ended_at LIMIT $2
    ), gone AS (
        DELETE FROM offline_sales AS sale USING old
        WHERE sale.till_id = old.till_id AND sale.sequence = old.sequence
        RETURNING sale.till_id, sale.sequence
    ), marked AS (
        UPDATE offline_tills AS till SET forgotten_through = greatest(forgotten_through, highest.sequence)
        FROM (SELECT till_id, max(sequence) AS sequence FROM gone GROUP BY till_id) AS highest
        WHERE till.till_id = highest.till_id
    )
    SELECT count(*) AS forgotten FROM gone
    """,
)


class _PostgresIntakes(Intakes):
    """Batches, in one transaction."""

    def __init__(self, tx: Transaction) -> None:
        self._tx = tx

    @override
    async def open(self, till_id: TillId, now: datetime) -> int:
        await self._tx.execute(TAKE_TURN, _ONE_BATCH_AT_A_TIME)
        row = await self._tx.fetch_one(OPEN, till_id, now)
        return 0 if row is None else int(row["forgotten_through"])

    @override
    async def fingerprints(self, till_id: TillId, sequences: Sequence[int]) -> dict[int, bytes]:
        rows = await self._tx.fetch(FINGERPRINTS, till_id, list(sequences))
        return {row["sequence"]: row["fingerprint"] for row in rows}

    @override
    async def waiting(self, till_id: TillId) -> tuple[int, int]:
        row: Any = await self._tx.fetch_one(WAITING, till_id)
        return row["of_till"], row["of_all"]

    @override
    async def add(self, sales: Sequence[QueuedSale], now: datetime) -> None:
        first = sales[0]
        columns = zip(*(_row(queued) for queued in sales), strict=True)
        await self._tx.execute(
            ADD,
            *(first.till_id, first.placed_by, first.synthetic, first.request_id, now),
            *map(list, columns),
        )


class PostgresOfflineQueue(OfflineQueue):
    """The offline queue."""

    def __init__(self, database: Database) -> None:
        self._database = database

    @override
    @asynccontextmanager
    async def transaction(self) -> AsyncIterator[Intakes]:
        async with self._database.transaction() as tx:
            yield _PostgresIntakes(tx)

    @override
    async def lease(self, limit: int, now: datetime, until: datetime) -> list[Turn]:
        rows = await self._database.fetch(LEASE, now, limit, until)
        return [Turn(TillId(row["till_id"]), row["token"]) for row in rows]

    @override
    async def next(self, turn: Turn, limit: int) -> list[QueuedSale]:
        rows = await self._database.fetch(NEXT, turn.till_id, limit)
        return [_queued(row) for row in rows]

    @override
    async def end(self, turn: Turn, sequence: int, ending: Ending, now: datetime, until: datetime) -> None:
        ended = await self._database.execute(
            END,
            *(turn.till_id, turn.token, sequence, until),
            *(now, ending.order_id, ending.reason, ending.description),
        )
        if not ended:
            raise TurnLost(f"till {turn.till_id} was taken over, or its sale {sequence} has ended")

    @override
    async def give_back(self, turn: Turn, due: datetime) -> None:
        async with self._database.transaction() as tx:
            if await tx.fetch_one(HOLD, turn.till_id, turn.token) is not None:
                await tx.execute(GIVE_BACK, turn.till_id, due)

    @override
    async def report(self, till_id: TillId, gaps: int) -> TillReport | None:
        row = await self._database.fetch_one(REPORT, till_id) if _is_uuid(till_id) else None
        if row is None:
            return None
        found = await self._database.fetch(GAPS, till_id, gaps)
        missing = tuple(Gap(gap["first"], gap["last"]) for gap in found)
        return TillReport(row["waiting"], row["completed"], row["conflicted"], missing, conflicts=())

    @override
    async def conflicts(self, till_id: TillId, after: int, limit: int) -> list[Conflict]:
        return [_conflict(row) for row in await self._database.fetch(CONFLICTS, till_id, after, limit)]

    @override
    async def depth(self, now: datetime) -> QueueDepth:
        row: Any = await self._database.fetch_one(DEPTH, now)
        return QueueDepth(row["waiting"], row["oldest_seconds"])

    @override
    async def forget(self, ended_before: datetime, limit: int) -> int:
        row: Any = await self._database.fetch_one(FORGET, ended_before, limit)
        return int(row["forgotten"])


def _is_uuid(till_id: TillId) -> bool:
    try:
        UUID(till_id)
    except ValueError:
        return False
    return True


def _row(queued: QueuedSale) -> tuple[object, ...]:
    sale = queued.sale
    charged = sale.charged
    content = sale.sequence, sale.fingerprint, sale.content
    return (*content, sale.sale_time, charged.currency_code, charged.minor_units)


def _queued(row: Any) -> QueuedSale:  # noqa: ANN401 - asyncpg has no types
    sale = offline_wire.sale_from(row["content"])
    return QueuedSale(TillId(row["till_id"]), sale, row["placed_by"], row["synthetic"], row["request_id"])


def _conflict(row: Any) -> Conflict:  # noqa: ANN401 - asyncpg has no types
    order_id = row["order_id"]
    ending = Ending(order_id and OrderId(order_id), row["reason"], row["description"])
    charged = Money(row["currency_code"], row["charged_minor"])
    return Conflict(row["sequence"], row["sale_time"], charged, ending)
