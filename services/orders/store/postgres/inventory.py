"""Stock, deliveries and the history of both in PostgreSQL.

The condition `on_hand - reserved >= n` stands in the statement that reserves, so no
two buyers get one unit; rows are locked in the order of their SKUs, so no two orders
wait for each other. Whatever changes a stock adds its row of history in the same
statement: the one cannot be without the other.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any, Final

from typing_extensions import override

from servicekit.postgres import Query
from services.orders.model import (
    Delivery,
    DeliveryId,
    Movement,
    MovementReason,
    OrderId,
    OrderLine,
    Sku,
    Stock,
)
from services.orders.ports import Inventory
from services.orders.store.postgres.executor import Executor

_STOCK: Final = "sku, on_hand, reserved, updated_at, low_threshold, movements"

GET: Final = Query("stock.get", f"SELECT {_STOCK} FROM stock WHERE sku = $1")  # noqa: S608 - the columns are ours
LOCK: Final = Query("stock.lock", f"{GET.text} FOR UPDATE")
SET_LOW_THRESHOLD: Final = Query(
    "stock.set_low_threshold",
    f"UPDATE stock SET low_threshold = $2, updated_at = $3 WHERE sku = $1 RETURNING {_STOCK}",  # noqa: S608 - as above
)
RECEIVE: Final = Query(
    "stock.receive",
    """
    WITH received AS (
        INSERT INTO deliveries
            (id, sku, quantity, received_by, on_hand, reserved, received_at, low_threshold, number)
        VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)
        RETURNING *
    ), moved AS (
        INSERT INTO stock_movements (sku, number, reason, quantity, on_hand, reserved, delivery_id, at)
        SELECT sku, number, 'DELIVERED', quantity, on_hand, reserved, id, received_at FROM received
    )
    UPDATE stock
    SET on_hand = received.on_hand, updated_at = received.received_at, movements = received.number
    FROM received WHERE stock.sku = received.sku
    """,
)
DELIVERY: Final = Query(
    "deliveries.get",
    """
    SELECT id, quantity, received_by, sku, on_hand, reserved, received_at AS updated_at, low_threshold,
        number AS movements
    FROM deliveries WHERE id = $1
    """,
)
MOVEMENTS: Final = Query(
    "stock_movements.page",
    """
    SELECT sku, number, reason, quantity, on_hand, reserved, order_id, delivery_id, at
    FROM stock_movements WHERE sku = $1 AND ($2::int IS NULL OR number < $2)
    ORDER BY number DESC LIMIT $3
    """,
)


def _moving(name: str, change: str, reason: MovementReason, condition: str = "") -> Query:
    """A statement that changes the stock of several lines and keeps that it did."""
    text = f"""
        WITH changed AS (
            UPDATE stock SET {change}, movements = movements + 1, updated_at = $3
            FROM (
                SELECT stock.sku, line.quantity
                FROM stock JOIN unnest($1::text[], $2::int[]) AS line (sku, quantity) ON stock.sku = line.sku
                ORDER BY stock.sku
                FOR UPDATE OF stock
            ) AS locked
            WHERE stock.sku = locked.sku {condition}
            RETURNING stock.*, locked.quantity
        )
        INSERT INTO stock_movements (sku, number, reason, quantity, on_hand, reserved, order_id, at)
        SELECT sku, movements, '{reason}', quantity, on_hand, reserved, $4, updated_at FROM changed
        RETURNING sku
    """  # noqa: S608 - the clauses are ours
    return Query(name, text)


RESERVE: Final = _moving(
    "stock.reserve",
    "reserved = reserved + locked.quantity",
    MovementReason.RESERVED,
    "AND stock.on_hand - stock.reserved >= locked.quantity",
)
RELEASE: Final = _moving("stock.release", "reserved = reserved - locked.quantity", MovementReason.RELEASED)
CONSUME: Final = _moving(
    "stock.consume",
    "on_hand = on_hand - locked.quantity, reserved = reserved - locked.quantity",
    MovementReason.SOLD,
)


class PostgresInventory(Inventory):
    """How much there is of each product."""

    def __init__(self, executor: Executor) -> None:
        self._executor = executor

    @override
    async def get(self, sku: Sku) -> Stock | None:
        row = await self._executor.fetch_one(GET, sku)
        return None if row is None else _stock(row)

    @override
    async def lock(self, sku: Sku) -> Stock | None:
        row = await self._executor.fetch_one(LOCK, sku)
        return None if row is None else _stock(row)

    @override
    async def receive(self, delivery: Delivery) -> None:
        stock = delivery.stock
        await self._executor.execute(
            RECEIVE,
            *(delivery.id, stock.sku, delivery.quantity, delivery.received_by, stock.on_hand, stock.reserved),
            *(stock.updated_at, stock.low_threshold, stock.movements),
        )

    @override
    async def delivery(self, delivery_id: DeliveryId) -> Delivery | None:
        row = await self._executor.fetch_one(DELIVERY, delivery_id)
        if row is None:
            return None
        return Delivery(DeliveryId(row["id"]), row["quantity"], row["received_by"], _stock(row))

    @override
    async def reserve(self, order_id: OrderId, lines: Sequence[OrderLine], now: datetime) -> frozenset[Sku]:
        reserved = await self._executor.fetch(RESERVE, *_units(lines), now, order_id)
        return frozenset(line.sku for line in lines) - {Sku(row["sku"]) for row in reserved}

    @override
    async def release(self, order_id: OrderId, lines: Sequence[OrderLine], now: datetime) -> None:
        await self._executor.execute(RELEASE, *_units(lines), now, order_id)

    @override
    async def consume(self, order_id: OrderId, lines: Sequence[OrderLine], now: datetime) -> None:
        await self._executor.execute(CONSUME, *_units(lines), now, order_id)

    @override
    async def set_low_threshold(self, sku: Sku, units: int, now: datetime) -> Stock | None:
        row = await self._executor.fetch_one(SET_LOW_THRESHOLD, sku, units, now)
        return None if row is None else _stock(row)

    @override
    async def movements(self, sku: Sku, before: int | None, limit: int) -> list[Movement]:
        return [_movement(row) for row in await self._executor.fetch(MOVEMENTS, sku, before, limit)]


def _units(lines: Sequence[OrderLine]) -> tuple[list[str], list[int]]:
    return [line.sku for line in lines], [line.quantity for line in lines]


def _stock(row: Any) -> Stock:  # noqa: ANN401 - asyncpg has no types
    return Stock(
        sku=Sku(row["sku"]),
        on_hand=row["on_hand"],
        reserved=row["reserved"],
        updated_at=row["updated_at"],
        low_threshold=row["low_threshold"],
        movements=row["movements"],
    )


def _movement(row: Any) -> Movement:  # noqa: ANN401 - as above
    return Movement(**{**row, "reason": MovementReason(row["reason"])})
