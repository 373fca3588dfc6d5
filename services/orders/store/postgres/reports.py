"""Figures of the shop, in one statement each.

A day's orders are a range of the primary key, for ids are UUIDv7; what is open is
found by its state. So a report costs what it counts, however much is kept.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Final
from uuid import UUID

from typing_extensions import override

from servicekit.postgres import Query
from services.orders.model import Money, OrderId
from services.orders.model.figures import (
    AgeCheckFigures,
    Business,
    CheckedAge,
    Compliance,
    MethodFigures,
    OpenOrders,
    Span,
    Standing,
    StockLevel,
)
from services.orders.ports import Reports
from services.orders.store.postgres.executor import Executor

OPEN_ORDERS: Final = Query(
    "reports.open_orders",
    """
    SELECT state, count(*) AS orders, extract(epoch FROM $1 - min(created_at))::float8 AS oldest_seconds,
        count(*) FILTER (WHERE reserved_until < $1) AS overdue
    FROM orders WHERE state IN ('PENDING', 'AWAITING_AGE_CHECK', 'AUTHORIZED') AND NOT synthetic
    GROUP BY state
    """,
)
STOCK: Final = Query(
    "reports.stock",
    """
    SELECT count(*) FILTER (WHERE on_hand = reserved) AS out,
        count(*) FILTER (WHERE on_hand > reserved AND on_hand - reserved < low_threshold) AS low,
        count(*) AS products,
        coalesce(sum(on_hand - reserved), 0)::bigint AS available,
        coalesce(sum(reserved), 0)::bigint AS reserved
    FROM stock
    """,
)

_DAY: Final = "id >= $1 AND created_at >= $2 AND NOT synthetic"
_SOLD: Final = "state IN ('COMPLETED', 'REFUNDED', 'PARTIALLY_REFUNDED')"
CURRENCY: Final = Query(
    "reports.currency",
    f"""
    SELECT coalesce(mode() WITHIN GROUP (ORDER BY currency_code), '') AS currency_code
    FROM orders WHERE {_DAY} AND {_SOLD}
    """,  # noqa: S608 - the clauses are ours
)
BUSINESS: Final = Query(
    "reports.business",
    f"""
    SELECT count(*) FILTER (WHERE {_SOLD} AND created_at >= $4) AS orders_last_hour,
        coalesce(sum(total_minor) FILTER (WHERE {_SOLD} AND created_at >= $4), 0)::bigint
            AS revenue_last_hour,
        count(*) FILTER (WHERE {_SOLD}) AS orders_last_day,
        coalesce(sum(total_minor) FILTER (WHERE {_SOLD}), 0)::bigint AS revenue_last_day,
        count(*) FILTER (WHERE state = 'REJECTED') AS rejected_last_day
    FROM orders WHERE {_DAY} AND currency_code = $3
    """,  # noqa: S608 - as above
)
METHODS: Final = Query(
    "reports.methods",
    f"""
    SELECT lower(method) AS method, count(*) AS attempts,
        count(*) FILTER (WHERE {_SOLD}) AS succeeded,
        count(*) FILTER (WHERE state = 'REJECTED') AS failed,
        coalesce(sum(amount_minor) FILTER (WHERE {_SOLD}), 0)::bigint AS value_minor
    FROM orders JOIN order_tenders ON order_id = id
    WHERE {_DAY} AND currency_code = $3 AND ({_SOLD} OR state = 'REJECTED')
    GROUP BY method ORDER BY method
    """,  # noqa: S608 - as above
)
COMPLIANCE: Final = Query(
    "reports.compliance",
    """
    SELECT method, count(*) AS checks, count(*) FILTER (WHERE NOT is_met) AS refusals
    FROM age_verifications JOIN orders ON orders.id = order_id
    WHERE verified_at >= $1 AND verified_at < $2 AND NOT synthetic
    GROUP BY method ORDER BY checks DESC, method
    """,
)
AGE_CHECKS: Final = Query(
    "reports.age_checks",
    """
    SELECT verified_at, order_id, method, age_verifications.minimum_age, is_met, verified_by
    FROM age_verifications JOIN orders ON orders.id = order_id
    WHERE verified_at >= $1 AND verified_at < $2 AND NOT synthetic
    ORDER BY verified_at, order_id LIMIT $3
    """,
)


class PostgresReports(Reports):
    """Figures of the shop."""

    def __init__(self, executor: Executor) -> None:
        self._executor = executor

    @override
    async def standing(self, now: datetime) -> Standing:
        orders = await self._executor.fetch(OPEN_ORDERS, now)
        [stock] = await self._executor.fetch(STOCK)
        in_stock = stock["products"] - stock["low"] - stock["out"]
        return Standing(
            open_orders={row["state"]: OpenOrders(row["orders"], row["oldest_seconds"]) for row in orders},
            products={
                StockLevel.IN_STOCK: in_stock,
                StockLevel.LOW: stock["low"],
                StockLevel.OUT: stock["out"],
            },
            units_available=stock["available"],
            units_reserved=stock["reserved"],
            reservations_overdue=sum(row["overdue"] for row in orders),
        )

    @override
    async def business(self, currency_code: str, now: datetime) -> Business:
        day = _day_until(now)
        if not currency_code:
            [found] = await self._executor.fetch(CURRENCY, *day)
            currency_code = found["currency_code"]
        hour = now - timedelta(hours=1)
        [row] = await self._executor.fetch(BUSINESS, *day, currency_code, hour)
        methods = await self._executor.fetch(METHODS, *day, currency_code)
        return Business(
            currency_code=currency_code,
            orders_last_hour=row["orders_last_hour"],
            revenue_last_hour_minor=row["revenue_last_hour"],
            orders_last_day=row["orders_last_day"],
            revenue_last_day_minor=row["revenue_last_day"],
            rejected_last_day=row["rejected_last_day"],
            methods=tuple(
                MethodFigures(
                    *(one["method"], one["attempts"], one["succeeded"], one["failed"]),
                    Money(currency_code, one["value_minor"]),
                )
                for one in methods
            ),
            at=now,
        )

    @override
    async def compliance(self, span: Span) -> Compliance:
        rows = await self._executor.fetch(COMPLIANCE, span.start, span.end)
        methods = (AgeCheckFigures(row["method"], row["checks"], row["refusals"]) for row in rows)
        return Compliance(span, tuple(methods))

    @override
    async def age_checks(self, span: Span, limit: int) -> list[CheckedAge]:
        rows = await self._executor.fetch(AGE_CHECKS, span.start, span.end, limit)
        return [
            CheckedAge(
                *(row["verified_at"], OrderId(row["order_id"]), row["method"]),
                *(row["minimum_age"], row["is_met"], row["verified_by"]),
            )
            for row in rows
        ]


def _day_until(now: datetime) -> tuple[UUID, datetime]:
    """The least id that an order of the last day can have, and when that day began."""
    start = now - timedelta(days=1)
    return UUID(int=int(start.timestamp() * 1000) << 80), start
