"""Stock and deliveries in PostgreSQL.

The condition `on_hand - reserved >= n` stands in the statement that reserves, so no
two buyers get one unit; rows are locked in the order of their SKUs, so no two orders
wait for each other.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any, Final

from typing_extensions import override

from servicekit.postgres import Query
from services.orders.model import Delivery, DeliveryId, OrderLine, Sku, Stock
from services.orders.ports import Inventory
from services.orders.store.postgres.executor import Executor

GET: Final = Query("stock.get", "SELECT sku, on_hand, reserved, updated_at FROM stock WHERE sku = $1")
LOCK: Final = Query("stock.lock", f"{GET.text} FOR UPDATE")
RECEIVE: Final = Query(
    "stock.receive",
    """
    WITH received AS (
        INSERT INTO deliveries (id, sku, quantity, received_by, on_hand, reserved, received_at)
        VALUES ($1, $2, $3, $4, $5, $6, $7)
        RETURNING sku, on_hand, received_at
    )
    UPDATE stock SET on_hand = received.on_hand, updated_at = received.received_at
    FROM received WHERE stock.sku = received.sku
    """,
)
DELIVERY: Final = Query(
    "deliveries.get",
    "SELECT id, sku, quantity, received_by, on_hand, reserved, received_at FROM deliveries WHERE id = $1",
)

_LOCKED: Final = """
    FROM (
        SELECT stock.sku, line.quantity
        FROM stock JOIN unnest($1::text[], $2::int[]) AS line (sku, quantity) ON stock.sku = line.sku
        ORDER BY stock.sku
        FOR UPDATE OF stock
    ) AS locked
    WHERE stock.sku = locked.sku
"""
RESERVE: Final = Query(
    "stock.reserve",
    f"""
    UPDATE stock SET reserved = reserved + locked.quantity, updated_at = $3 {_LOCKED}
        AND stock.on_hand - stock.reserved >= locked.quantity
    RETURNING stock.sku
    """,  # noqa: S608 - the clause is ours
)
RELEASE: Final = Query(
    "stock.release",
    f"UPDATE stock SET reserved = reserved - locked.quantity, updated_at = $3 {_LOCKED}",  # noqa: S608 - as above
)
CONSUME: Final = Query(
    "stock.consume",
    f"""
    UPDATE stock SET on_hand = on_hand - locked.quantity, reserved = reserved - locked.quantity,
        updated_at = $3 {_LOCKED}
    """,  # noqa: S608 - as above
)


class PostgresInventory(Inventory):
    """How much there is of each product."""

    def __init__(self, executor: Executor) -> None:
        self._executor = executor

    @override
    async def get(self, sku: Sku) -> Stock | None:
        row = await self._executor.fetch_one(GET, sku)
        return None if row is None else _stock(row, row["updated_at"])

    @override
    async def lock(self, sku: Sku) -> Stock | None:
        row = await self._executor.fetch_one(LOCK, sku)
        return None if row is None else _stock(row, row["updated_at"])

    @override
    async def receive(self, delivery: Delivery) -> None:
        stock = delivery.stock
        await self._executor.execute(
            RECEIVE,
            delivery.id,
            stock.sku,
            delivery.quantity,
            delivery.received_by,
            stock.on_hand,
            stock.reserved,
            stock.updated_at,
        )

    @override
    async def delivery(self, delivery_id: DeliveryId) -> Delivery | None:
        row = await self._executor.fetch_one(DELIVERY, delivery_id)
        if row is None:
            return None
        stock = _stock(row, row["received_at"])
        return Delivery(DeliveryId(row["id"]), row["quantity"], row["received_by"], stock)

    @override
    async def reserve(self, lines: Sequence[OrderLine], now: datetime) -> frozenset[Sku]:
        reserved = await self._executor.fetch(RESERVE, *_units(lines), now)
        return frozenset(line.sku for line in lines) - {Sku(row["sku"]) for row in reserved}

    @override
    async def release(self, lines: Sequence[OrderLine], now: datetime) -> None:
        await self._executor.execute(RELEASE, *_units(lines), now)

    @override
    async def consume(self, lines: Sequence[OrderLine], now: datetime) -> None:
        await self._executor.execute(CONSUME, *_units(lines), now)


def _units(lines: Sequence[OrderLine]) -> tuple[list[str], list[int]]:
    return [line.sku for line in lines], [line.quantity for line in lines]


def _stock(row: Any, updated_at: datetime) -> Stock:  # noqa: ANN401 - asyncpg has no types
    return Stock(Sku(row["sku"]), row["on_hand"], row["reserved"], updated_at)
