"""Exposures in PostgreSQL. The primary key makes them unique; `converted_at` is set once."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Final
from uuid import UUID

from typing_extensions import override

from servicekit.postgres import Query
from services.orders.model import Conversion, Exposure
from services.orders.ports import Exposures
from services.orders.store.postgres.executor import Executor

ADD: Final = Query(
    "exposures.add",
    """
    INSERT INTO experiment_exposures (experiment, customer, variant, order_id, exposed_at)
    VALUES ($1, $2, $3, $4, $5)
    ON CONFLICT (experiment, customer) DO NOTHING
    """,
)
VARIANT_OF: Final = Query(
    "exposures.variant_of",
    "SELECT variant FROM experiment_exposures WHERE experiment = $1 AND customer = $2",
)
OPEN: Final = Query(
    "exposures.open",
    """
    SELECT DISTINCT customer FROM experiment_exposures
    WHERE converted_at IS NULL AND customer > $1 AND exposed_at > $2 ORDER BY customer LIMIT $3
    """,
)
# UUIDv7: one index has the orders of a buyer by the time they were made, so old ones are not read.
CONVERT: Final = Query(
    "exposures.convert",
    """
    UPDATE experiment_exposures AS exposure SET converted_at = $1
    WHERE customer = ANY($2::text[]) AND converted_at IS NULL AND exposed_at > $3 AND EXISTS (
        SELECT FROM orders
        WHERE placed_by = exposure.customer AND id >= $4 AND id <> exposure.order_id
            AND created_at >= exposure.exposed_at AND NOT synthetic
            AND state IN ('COMPLETED', 'REFUNDED', 'PARTIALLY_REFUNDED')
    )
    RETURNING experiment, variant
    """,
)


class PostgresExposures(Exposures):
    """The exposures."""

    def __init__(self, executor: Executor) -> None:
        self._executor = executor

    @override
    async def add(self, exposure: Exposure) -> bool:
        added = await self._executor.execute(
            ADD,
            *(exposure.experiment, exposure.customer, exposure.variant),
            *(exposure.order_id, exposure.exposed_at),
        )
        return added == 1

    @override
    async def variant_of(self, experiment: str, customer: str) -> str | None:
        row = await self._executor.fetch_one(VARIANT_OF, experiment, customer)
        return None if row is None else str(row["variant"])

    @override
    async def convert(
        self, since: datetime, after: str, limit: int, now: datetime
    ) -> tuple[Sequence[Conversion], str]:
        customers = [row["customer"] for row in await self._executor.fetch(OPEN, after, since, limit)]
        if not customers:
            return (), ""
        first = UUID(int=int(since.timestamp() * 1000) << 80)
        rows = await self._executor.fetch(CONVERT, now, customers, since, first)
        following = customers[-1] if len(customers) == limit else ""
        return [Conversion(row["experiment"], row["variant"]) for row in rows], following
