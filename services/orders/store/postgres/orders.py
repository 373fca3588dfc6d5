"""Orders in PostgreSQL, each with its lines and tenders read in one statement.

Ids are UUIDv7 and sort by the time they were made, so "newest first" is the order of
the primary key, and a page costs the same however many orders there are.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final
from uuid import UUID

from typing_extensions import override

from servicekit.postgres import Query
from services.orders.model import (
    Money,
    Order,
    OrderId,
    OrderLine,
    OrderState,
    PaymentId,
    Sku,
    Tender,
    TenderMethod,
)
from services.orders.ports import OrderMoved, Orders
from services.orders.store.postgres.executor import Executor

ADD: Final = Query(
    "orders.add",
    """
    WITH added AS (
        INSERT INTO orders (id, state, state_reason, currency_code, total_minor, placed_by, synthetic,
            created_at, updated_at, reserved_until)
        VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)
        RETURNING id
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
        created_at, updated_at, reserved_until,
        (SELECT json_agg(json_build_array(sku, name, quantity, unit_price_minor) ORDER BY position)
            FROM order_lines WHERE order_id = orders.id) AS lines,
        (SELECT json_agg(json_build_array(method, handle, amount_minor, payment_id) ORDER BY position)
            FROM order_tenders WHERE order_id = orders.id) AS tenders
    FROM orders
"""
GET: Final = Query("orders.get", f"{_SELECT} WHERE id = $1")
_PAGE: Final = "($1::uuid IS NULL OR id < $1) AND ($2::text IS NULL OR state = $2) ORDER BY id DESC LIMIT $3"
PAGE: Final = Query("orders.page", f"{_SELECT} WHERE {_PAGE}")
PAGE_OF_BUYER: Final = Query("orders.page_of_buyer", f"{_SELECT} WHERE placed_by = $4 AND {_PAGE}")
SETTLED_AMONG: Final = Query(
    "orders.settled_among", f"{_SELECT} WHERE id = ANY($1::uuid[]) AND state = ANY($2::text[])"
)
MOVE: Final = Query(
    "orders.move",
    """
    WITH moved AS (
        UPDATE orders SET state = $3, state_reason = $4, updated_at = $5, reserved_until = $6
        WHERE id = $1 AND state = $2
        RETURNING id
    )
    UPDATE order_tenders SET payment_id = $7
    FROM moved WHERE order_tenders.order_id = moved.id AND order_tenders.position = 1
    """,
)

_SETTLED: Final = [state for state in OrderState if state.is_settled]


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
        )

    @override
    async def get(self, order_id: OrderId) -> Order | None:
        key = _uuid(order_id)
        row = None if key is None else await self._executor.fetch_one(GET, key)
        return None if row is None else _order(row)

    @override
    async def move(self, came_from: OrderState, order: Order) -> None:
        moved = await self._executor.execute(
            MOVE,
            *(order.id, came_from, order.state, order.state_reason),
            *(order.updated_at, order.reserved_until, order.payment_id),
        )
        if not moved:
            raise OrderMoved(f"order {order.id} is no longer {came_from}")

    @override
    async def page(
        self, placed_by: str | None, state: OrderState | None, before: OrderId | None, limit: int
    ) -> list[Order]:
        if placed_by is None:
            rows = await self._executor.fetch(PAGE, before, state, limit)
        else:
            rows = await self._executor.fetch(PAGE_OF_BUYER, before, state, limit, placed_by)
        return [_order(row) for row in rows]

    @override
    async def settled_among(self, order_ids: Sequence[OrderId]) -> list[Order]:
        rows = await self._executor.fetch(SETTLED_AMONG, list(order_ids), _SETTLED)
        return [_order(row) for row in rows]


def _columns(rows: Sequence[tuple[object, ...]]) -> list[list[object]]:
    return [list(column) for column in zip(*rows, strict=True)]


def _uuid(order_id: OrderId) -> UUID | None:
    try:
        return UUID(order_id)
    except ValueError:
        return None


def _order(row: Any) -> Order:  # noqa: ANN401 - asyncpg has no types
    currency = row["currency_code"]
    return Order(
        id=OrderId(row["id"]),
        state=OrderState(row["state"]),
        state_reason=row["state_reason"],
        lines=tuple(
            OrderLine(Sku(sku), name, quantity, Money(currency, unit_price_minor))
            for sku, name, quantity, unit_price_minor in row["lines"]
        ),
        tenders=tuple(
            Tender(TenderMethod(method), handle, Money(currency, minor), payment_id and PaymentId(payment_id))
            for method, handle, minor, payment_id in row["tenders"]
        ),
        total=Money(currency, row["total_minor"]),
        placed_by=row["placed_by"],
        synthetic=row["synthetic"],
        created_at=row["created_at"],
        updated_at=row["updated_at"],
        reserved_until=row["reserved_until"],
    )
