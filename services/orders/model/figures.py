"""Figures of the shop: what stands open now, how business went, and who was asked their age."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from services.orders.model.money import Money
from services.orders.model.orders import OrderId


class StockLevel(StrEnum):
    """How much of a product can be sold."""

    IN_STOCK = "in_stock"
    LOW = "low"
    OUT = "out"


@dataclass(frozen=True, slots=True)
class OpenOrders:
    """The orders of one state that are not settled.

    Attributes:
        oldest_seconds: How long ago the first of them was placed.
    """

    count: int
    oldest_seconds: float


@dataclass(frozen=True, slots=True)
class Standing:
    """How the shop stands at this moment. Synthetic orders are not among the open ones.

    Attributes:
        open_orders: The orders that are not settled, by their state.
        products: Products by how much of them can be sold.
        units_available: Units that can be sold, of all products.
        units_reserved: Units promised to open orders, of all products.
        reservations_overdue: Open orders whose reservation has outlived its time.
    """

    open_orders: Mapping[str, OpenOrders]
    products: Mapping[StockLevel, int]
    units_available: int
    units_reserved: int
    reservations_overdue: int


@dataclass(frozen=True, slots=True)
class MethodFigures:
    """How one method of payment fared.

    Attributes:
        attempts: Shares of settled orders that were to be paid by it.
        succeeded: Those of completed orders.
        failed: Those of refused orders.
    """

    method: str
    attempts: int
    succeeded: int
    failed: int
    value: Money


@dataclass(frozen=True, slots=True)
class Business:
    """How business went in one currency, until `at`, by when orders were placed. Revenue is before refunds.

    Attributes:
        currency_code: Empty while nothing was sold.
    """

    currency_code: str
    orders_last_hour: int
    revenue_last_hour_minor: int
    orders_last_day: int
    revenue_last_day_minor: int
    rejected_last_day: int
    methods: tuple[MethodFigures, ...]
    at: datetime

    @property
    def average_order_minor(self) -> int | None:
        """The mean value of the day's completed orders, rounded down; none while there is none."""
        return self.revenue_last_day_minor // self.orders_last_day if self.orders_last_day else None


@dataclass(frozen=True, slots=True)
class Span:
    """From one moment on, up to another and not with it."""

    start: datetime
    end: datetime


@dataclass(frozen=True, slots=True)
class AgeCheckFigures:
    """Age checks by one method."""

    method: str
    checks: int
    refusals: int


@dataclass(frozen=True, slots=True)
class Compliance:
    """The age checks of a span."""

    span: Span
    methods: tuple[AgeCheckFigures, ...]

    @property
    def checks(self) -> int:
        """Checks made."""
        return sum(figures.checks for figures in self.methods)

    @property
    def refusals(self) -> int:
        """Checks that found the buyer too young."""
        return sum(figures.refusals for figures in self.methods)

    @property
    def refusal_ppm(self) -> int:
        """The share of checks that refused, in parts per million; 0 without checks."""
        return self.refusals * 1_000_000 // self.checks if self.checks else 0


@dataclass(frozen=True, slots=True)
class CheckedAge:
    """One age check, as an auditor reads it."""

    at: datetime
    order_id: OrderId
    method: str
    minimum_age: int
    is_met: bool
    verified_by: str
