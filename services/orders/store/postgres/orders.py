"""Orders in PostgreSQL, each with its lines, tenders and refunds read in one statement.

Ids are UUIDv7 and sort by the time they were made, so "newest first" is the order of
the primary key, and a page costs the same however many orders there are. An order and
its event are kept by one statement, under the number of the event before: of two who
move an order at once one finds it moved, and numbers have no gaps.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Final
from uuid import UUID

from typing_extensions import override

from servicekit.postgres import Query
from services.orders.model import Order, OrderEvent, OrderId, OrderState
from services.orders.ports import OrderMoved, Orders
from services.orders.store.postgres.executor import Executor
from services.orders.store.postgres.records import event_of, order_of

ADD: Final = Query(
    "orders.add",
    """
    WITH added AS (
        INSERT INTO orders (id, state, state_reason, currency_code, total_minor, placed_by, synthetic,
            created_at, updated_at, reserved_until, till_id, minimum_age, sequence, event)
        VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $18, $19, $20, $21)
        RETURNING id
    ), event AS (
        INSERT INTO order_events (order_id, sequence, name, state, state_reason, payment_ids, at)
        SELECT id, $20, $21, $2, $3, $22, $9 FROM added
    ), lines AS (
        INSERT INTO order_lines (order_id, position, sku, name, quantity, unit_price_minor)
        SELECT added.id, line.position, line.sku, line.name, line.quantity, line.unit_price_minor
        FROM added, unnest($11::text[], $12::text[], $13::int[], $14::bigint[])
            WITH ORDINALITY AS line (sku, name, quantity, unit_price_minor, position)
    )
    INSERT INTO order_tenders (order_id, position, method, handle, amount_minor)
    SELECT added.id, tender.position, tender.method, tender.handle, tender.amount_minor
    FROM added, unnest($15::text[], $16::text[], $17::bigint[])
        WITH ORDINALITY AS tender (method, handle, amount_minor, position)
    """,
)
_SELECT: Final = """
    SELECT id, state, state_reason, currency_code, total_minor, placed_by, synthetic,
        created_at, updated_at, reserved_until, till_id, minimum_age, sequence, event,
        closing_state, closing_reason,
        (SELECT json_agg(json_build_array(sku, name, quantity, unit_price_minor) ORDER BY position)
            FROM order_lines WHERE order_id = orders.id) AS lines,
        (SELECT json_agg(json_build_array(method, handle, amount_minor, payment_id) ORDER BY position)
            FROM order_tenders WHERE order_id = orders.id) AS tenders,
        (SELECT json_agg(
                json_build_array(id, shares_minor, requested_by, requested_at, made_at_sequence)
                ORDER BY position)
            FROM order_refunds WHERE order_id = orders.id) AS refunds
    FROM orders
"""
GET: Final = Query("orders.get", f"{_SELECT} WHERE id = $1")
LOCK: Final = Query("orders.lock", "SELECT id FROM orders WHERE id = $1 FOR UPDATE")
_PAGE: Final = "($1::uuid IS NULL OR id < $1) AND ($2::text IS NULL OR state = $2) ORDER BY id DESC LIMIT $3"
PAGE: Final = Query("orders.page", f"{_SELECT} WHERE {_PAGE}")
PAGE_OF_BUYER: Final = Query("orders.page_of_buyer", f"{_SELECT} WHERE placed_by = $4 AND {_PAGE}")
MOVED_AMONG: Final = Query(
    "orders.moved_among",
    f"""
    {_SELECT} WHERE id IN (
        SELECT one.id FROM unnest($1::uuid[], $2::int[]) AS seen (id, sequence)
        JOIN orders AS one ON one.id = seen.id AND one.sequence > seen.sequence
    )
    """,  # noqa: S608 - the columns are ours
)
MOVE: Final = Query(
    "orders.move",
    """
    WITH moved AS (
        UPDATE orders SET state = $3, state_reason = $4, updated_at = $5, reserved_until = $6,
            sequence = $2, event = $7, closing_state = $8, closing_reason = $9
        WHERE id = $1 AND sequence = $2 - 1
        RETURNING id
    ), paid AS (
        UPDATE order_tenders SET payment_id = known.payment_id
        FROM moved, unnest($10::uuid[]) WITH ORDINALITY AS known (payment_id, position)
        WHERE order_tenders.order_id = moved.id AND order_tenders.position = known.position
            AND order_tenders.payment_id IS DISTINCT FROM known.payment_id
    )
    INSERT INTO order_events (order_id, sequence, name, state, state_reason, payment_ids, at)
    SELECT id, $2, $7, $3, $4, $10, $5 FROM moved
    """,
)
KEEP_REFUNDS: Final = Query(
    "order_refunds.keep",
    """
    INSERT INTO order_refunds
        (order_id, position, id, shares_minor, requested_by, requested_at, made_at_sequence)
    VALUES ($1, $2, $3, $4, $5, $6, $7)
    ON CONFLICT (order_id, position) DO UPDATE SET made_at_sequence = excluded.made_at_sequence
    WHERE order_refunds.id = excluded.id
    """,
)
EVENTS: Final = Query(
    "order_events.after",
    """
    SELECT sequence, name, at, state, state_reason, payment_ids
    FROM order_events WHERE order_id = $1 AND sequence > $2 ORDER BY sequence LIMIT $3
    """,
)
EXPIRED: Final = Query(
    "orders.expired",
    """
    SELECT id FROM orders
    WHERE reserved_until <= $1 AND reserved_until IS NOT NULL AND closing_state IS NULL
    ORDER BY reserved_until LIMIT $2
    """,
)


class PostgresOrders(Orders):
    """The orders."""

    def __init__(self, executor: Executor) -> None:
        self._executor = executor

    @override
    async def add(self, order: Order) -> None:
        await self._executor.execute(
            ADD,
            *(order.id, order.state, order.state_reason, order.total.currency_code, order.total.minor_units),
            *(order.placed_by, order.synthetic, order.created_at, order.updated_at, order.reserved_until),
            *_columns(
                [(line.sku, line.name, line.quantity, line.unit_price.minor_units) for line in order.lines]
            ),
            *_columns(
                [(tender.method, tender.handle, tender.amount.minor_units) for tender in order.tenders]
            ),
            *(order.till_id, order.minimum_age, order.sequence, order.event, list(order.payment_ids)),
        )

    @override
    async def get(self, order_id: OrderId) -> Order | None:
        key = _uuid(order_id)
        row = None if key is None else await self._executor.fetch_one(GET, key)
        return None if row is None else order_of(row)

    @override
    async def lock(self, order_id: OrderId) -> Order | None:
        # Two statements: what one statement reads beside the row it waits for is from before the wait.
        key = _uuid(order_id)
        if key is None or await self._executor.fetch_one(LOCK, key) is None:
            return None
        return await self.get(order_id)

    @override
    async def move(self, order: Order) -> None:
        closing = order.closing
        moved = await self._executor.execute(
            MOVE,
            *(order.id, order.sequence, order.state, order.state_reason, order.updated_at),
            *(order.reserved_until, order.event),
            *((closing.state, closing.reason) if closing else (None, None)),
            list(order.payment_ids),
        )
        if not moved:
            raise OrderMoved(f"order {order.id} has had an event {order.sequence} already")
        for position, refund in enumerate(order.refunds, start=1):
            kept = await self._executor.execute(
                KEEP_REFUNDS,
                *(order.id, position, refund.id, list(refund.shares)),
                *(refund.requested_by, refund.requested_at, refund.made_at_sequence),
            )
            if not kept:
                raise LookupError(f"order {order.id} has another refund {position} than {refund.id}")

    @override
    async def page(
        self, placed_by: str | None, state: OrderState | None, before: OrderId | None, limit: int
    ) -> list[Order]:
        if placed_by is None:
            rows = await self._executor.fetch(PAGE, before, state, limit)
        else:
            rows = await self._executor.fetch(PAGE_OF_BUYER, before, state, limit, placed_by)
        return [order_of(row) for row in rows]

    @override
    async def moved_among(self, seen: Mapping[OrderId, int]) -> list[Order]:
        rows = await self._executor.fetch(MOVED_AMONG, list(seen), list(seen.values()))
        return [order_of(row) for row in rows]

    @override
    async def events(self, order_id: OrderId, after: int, limit: int) -> list[OrderEvent]:
        return [event_of(row) for row in await self._executor.fetch(EVENTS, order_id, after, limit)]

    @override
    async def expired(self, now: datetime, limit: int) -> list[OrderId]:
        return [OrderId(row["id"]) for row in await self._executor.fetch(EXPIRED, now, limit)]


def _columns(rows: Sequence[tuple[object, ...]]) -> list[list[object]]:
    return [list(column) for column in zip(*rows, strict=True)]


def _uuid(order_id: OrderId) -> UUID | None:
    try:
        return UUID(order_id)
    except ValueError:
        return None
