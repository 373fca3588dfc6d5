"""Age checks in PostgreSQL: a trigger refuses to change or remove one."""

from __future__ import annotations

from typing import Final

from typing_extensions import override

from servicekit.postgres import Query
from services.orders.model import AgeCheckMethod, AgeVerification, OrderId
from services.orders.ports import AgeChecks
from services.orders.store.postgres.executor import Executor

ADD: Final = Query(
    "age_verifications.add",
    """
    INSERT INTO age_verifications (order_id, verified_by, method, minimum_age, is_met, verified_at)
    VALUES ($1, $2, $3, $4, $5, $6)
    """,
)
GET: Final = Query(
    "age_verifications.get",
    """
    SELECT order_id, verified_by, method, minimum_age, is_met, verified_at
    FROM age_verifications WHERE order_id = $1
    """,
)


class PostgresAgeChecks(AgeChecks):
    """Who looked at which buyer's age."""

    def __init__(self, executor: Executor) -> None:
        self._executor = executor

    @override
    async def add(self, verification: AgeVerification) -> None:
        one = verification
        await self._executor.execute(
            ADD, one.order_id, one.verified_by, one.method, one.minimum_age, one.is_met, one.verified_at
        )

    @override
    async def of(self, order_id: OrderId) -> AgeVerification | None:
        row = await self._executor.fetch_one(GET, order_id)
        return None if row is None else AgeVerification(**{**row, "method": AgeCheckMethod(row["method"])})
