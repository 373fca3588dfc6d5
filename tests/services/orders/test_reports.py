"""What reports say of a shop whose orders are known."""

from __future__ import annotations

import csv
import io
from dataclasses import dataclass, field
from datetime import timedelta

import pytest
from typing_extensions import override

from servicekit.errors import InvalidArgument
from servicekit.instruments import Instruments
from servicekit.postgres import Database
from services.orders.metrics import StandingMetrics
from services.orders.model import Money
from services.orders.model.figures import MethodFigures, OpenOrders, Standing, StockLevel
from services.orders.ports import StandingSignals
from services.orders.store.postgres.reports import PostgresReports
from services.orders.usecases import Reporting
from services.orders.usecases import reports as module
from services.orders.usecases.reports import HEAD
from tests.services.orders.fakes import DECLINED, MANAGER, VISA, basket, called_by
from tests.services.orders.shop import Shop

HOUR, DAY = 3600, 86_400


@dataclass
class SeenStanding(StandingSignals):
    """What was measured."""

    seen: list[Standing] = field(default_factory=list)

    @override
    def stands(self, standing: Standing) -> None:
        self.seen.append(standing)


class Office:
    """A shop, and who reports on it."""

    def __init__(self, shop: Shop, database: Database) -> None:
        self.shop = shop
        self.signals = SeenStanding()
        self.reporting = Reporting(PostgresReports(database), self.signals, shop.clock)

    async def sold(self, sku: str, units: int = 1, *, card: str = VISA, synthetic: bool = False) -> None:
        await self.shop.place(basket((sku, units), card=card), synthetic=synthetic)
        for _ in range(2):
            await self.shop.work()
            self.shop.expire()


@pytest.fixture
def office(stored_shop: Shop, database: Database) -> Office:
    return Office(stored_shop, database)


async def test_business_counts_what_orders_of_the_hour_and_the_day_were_worth(
    office: Office,
) -> None:
    await office.shop.sell("A", units=20, price=Money("EUR", 250))
    await office.sold("A", 9)
    office.shop.clock.advance(DAY)
    await office.sold("A", 2)
    office.shop.clock.advance(HOUR)
    await office.sold("A", 1)
    await office.sold("A", 1, card=DECLINED)
    await office.sold("A", 1, synthetic=True)

    business = await office.reporting.business("")

    assert business.currency_code == "EUR"
    assert (business.orders_last_hour, business.revenue_last_hour_minor) == (1, 250)
    assert (business.orders_last_day, business.revenue_last_day_minor) == (2, 750)
    assert (business.average_order_minor, business.rejected_last_day) == (375, 1)
    assert business.methods == (MethodFigures("card", 3, 2, 1, Money("EUR", 750)),)


async def test_business_is_in_the_currency_of_most_orders_or_the_one_asked_for(office: Office) -> None:
    await office.shop.sell("E", price=Money("EUR", 100))
    await office.shop.sell("U", price=Money("USD", 500))
    await office.sold("E")
    await office.sold("E")
    await office.sold("U")

    usual, asked = await office.reporting.business(""), await office.reporting.business("USD")

    assert (usual.currency_code, usual.revenue_last_day_minor) == ("EUR", 200)
    assert (asked.currency_code, asked.revenue_last_day_minor) == ("USD", 500)


async def test_a_shop_that_sold_nothing_has_no_currency_and_no_average(office: Office) -> None:
    business = await office.reporting.business("")

    assert (business.currency_code, business.orders_last_day, business.average_order_minor) == ("", 0, None)
    assert business.methods == ()


async def test_what_is_no_currency_is_refused(office: Office) -> None:
    with pytest.raises(InvalidArgument):
        await office.reporting.business("euro")


async def test_compliance_counts_checks_and_refusals_by_method(office: Office) -> None:
    await office.shop.sell("WINE", age=18)
    for method, is_met in (("passport", True), ("identity_card", True), ("identity_card", False)):
        order = await office.shop.place(basket(("WINE", 1)))
        await office.shop.verify(order, is_met=is_met, method=method)
    synthetic = await office.shop.place(basket(("WINE", 1)), synthetic=True)
    await office.shop.verify(synthetic)
    office.shop.clock.advance(1)

    report = await office.reporting.compliance(None, None)

    assert (report.checks, report.refusals, report.refusal_ppm) == (3, 1, 333_333)
    assert [(one.method, one.checks, one.refusals) for one in report.methods] == [
        ("identity_card", 2, 1),
        ("passport", 1, 0),
    ]


async def test_the_file_has_a_head_and_a_line_for_each_check_of_the_span(office: Office) -> None:
    await office.shop.sell("WINE", age=18)
    order = await office.shop.place(basket(("WINE", 1)))
    start = office.shop.clock.now()
    await office.shop.verify(order)
    office.shop.clock.advance(60)

    file = await office.reporting.compliance_file(start, start + timedelta(seconds=1))
    before = await office.reporting.compliance_file(start - timedelta(days=1), start)

    head, line = csv.reader(io.StringIO(file))
    assert tuple(head) == HEAD
    assert line == [start.isoformat(), order.id, "identity_card", "18", "true", "carl"]
    assert before == ",".join(HEAD) + "\r\n"


async def test_a_file_that_would_be_too_long_is_refused(
    office: Office, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "MOST_LINES", 0)
    await office.shop.sell("WINE", age=18)
    await office.shop.verify(await office.shop.place(basket(("WINE", 1))))
    office.shop.clock.advance(1)

    with pytest.raises(InvalidArgument, match="too long"):
        await office.reporting.compliance_file(None, None)


@pytest.mark.parametrize("days", [0, -1, 367])
async def test_a_span_that_is_none_or_too_long_is_refused(office: Office, days: int) -> None:
    now = office.shop.clock.now()

    with pytest.raises(InvalidArgument) as refused:
        await office.reporting.compliance(now - timedelta(days=days), now)

    assert [violation.field for violation in refused.value.violations] == ["start_time"]


async def test_the_standing_counts_open_orders_and_stock(office: Office) -> None:
    await office.shop.sell("A", units=10)
    await office.shop.sell("B", units=2)
    await office.shop.sell("C", units=0)
    with called_by(MANAGER):
        await office.shop.stockroom.warn_below("B", 5)
    await office.shop.place(basket(("A", 3)))
    await office.shop.place(basket(("A", 1)), synthetic=True)
    office.shop.clock.advance(HOUR)

    await office.reporting.take_stock()

    [standing] = office.signals.seen
    assert standing.open_orders == {"PENDING": OpenOrders(1, HOUR)}
    assert standing.products == {StockLevel.IN_STOCK: 1, StockLevel.LOW: 1, StockLevel.OUT: 1}
    assert (standing.units_available, standing.units_reserved) == (8, 4)
    assert standing.reservations_overdue == 1


def test_the_standing_is_measured_with_zeros_for_what_is_not_there() -> None:
    instruments = Instruments("orders")
    metrics: StandingSignals = StandingMetrics(instruments)
    products = {StockLevel.IN_STOCK: 7, StockLevel.LOW: 1, StockLevel.OUT: 0}

    metrics.stands(Standing({"PENDING": OpenOrders(2, 60)}, products, 70, 3, 1))
    metrics.stands(Standing({"AUTHORIZED": OpenOrders(1, 5)}, products, 70, 3, 0))

    def value(name: str, **labels: str) -> float | None:
        return instruments.registry.get_sample_value(name, labels)

    assert value("orders_open", state="PENDING") == 0
    assert value("orders_open_oldest_seconds", state="AUTHORIZED") == 5
    assert value("inventory_products", level="low") == 1
    assert value("inventory_units", state="reserved") == 3
    assert value("inventory_reservations_overdue") == 0
