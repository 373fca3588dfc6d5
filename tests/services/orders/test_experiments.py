"""A customer takes part in an experiment once, keeps the variant, and counts once as having come back."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field

import pytest
from typing_extensions import override

from servicekit.clock import uuid7
from servicekit.context import Caller, Role
from services.orders.model import Exposure, Order, OrderId, Sku
from services.orders.ports import ExperimentSignals, Exposures, Flags
from services.orders.store.memory import MemoryStore
from services.orders.store.postgres import PostgresExposures
from services.orders.usecases import experiments as module
from services.orders.usecases.experiments import CONVERSION_WINDOW, Experiments
from tests.services.orders.fakes import ALICE, BOB, basket
from tests.services.orders.shop import Shop

LAYOUT = "receipt-layout"


@dataclass
class FixedFlags(Flags):
    """Flags that are what they are told to be."""

    variants: dict[str, str] = field(default_factory=dict)

    @override
    def is_on(self, flag: str, customer: str) -> bool:
        return False

    @override
    def variant(self, flag: str, customer: str, default: str) -> str:
        return self.variants.get(flag, default)


@dataclass
class SeenExperiments(ExperimentSignals):
    """What was reported."""

    exposed: Counter[str] = field(default_factory=Counter)
    converted: Counter[str] = field(default_factory=Counter)

    @override
    def customer_exposed(self, experiment: str, variant: str) -> None:
        self.exposed[variant] += 1

    @override
    def customer_converted(self, experiment: str, variant: str) -> None:
        self.converted[variant] += 1


class Laboratory:
    """A shop, and an experiment on its customers."""

    def __init__(self, shop: Shop, exposures: Exposures) -> None:
        self.shop = shop
        self.exposures = exposures
        self.flags = FixedFlags({LAYOUT: "itemized"})
        self.signals = SeenExperiments()
        self.experiments = Experiments(exposures, self.flags, self.signals, shop.clock)

    async def sold(self, caller: Caller = ALICE, *, synthetic: bool = False) -> Order:
        if not await self.shop.store.products.get(Sku("A")):
            await self.shop.sell("A", units=100)
        order = await self.shop.place(basket(("A", 1)), caller, synthetic=synthetic)
        await self.shop.work()
        return await self.shop.order(order)

    async def expose(self, order: Order) -> None:
        variant = await self.experiments.variant(LAYOUT, order.placed_by, "plain")
        await self.experiments.expose(LAYOUT, variant, order)


@pytest.fixture(params=["memory", "postgres"])
def laboratory(request: pytest.FixtureRequest) -> Laboratory:
    if request.param == "memory":
        shop: Shop = request.getfixturevalue("shop")
        assert isinstance(shop.store, MemoryStore)
        exposures: Exposures = shop.store.exposures
    else:
        exposures = PostgresExposures(request.getfixturevalue("database"))
        shop = request.getfixturevalue("stored_shop")
    return Laboratory(shop, exposures)


async def test_a_customer_is_exposed_once(laboratory: Laboratory) -> None:
    order = await laboratory.sold()

    await laboratory.expose(order)
    await laboratory.expose(await laboratory.sold())

    assert laboratory.signals.exposed == {"itemized": 1}


async def test_a_customer_keeps_the_variant_that_was_shown_first(laboratory: Laboratory) -> None:
    await laboratory.expose(await laboratory.sold())

    laboratory.flags.variants[LAYOUT] = "plain"

    assert await laboratory.experiments.variant(LAYOUT, ALICE.subject, "plain") == "itemized"
    assert await laboratory.experiments.variant(LAYOUT, BOB.subject, "plain") == "plain"


async def test_coming_back_converts_once(laboratory: Laboratory) -> None:
    await laboratory.expose(await laboratory.sold())
    await laboratory.sold(BOB)
    await laboratory.experiments.look_for_conversions()
    assert laboratory.signals.converted == {}

    await laboratory.sold()
    await laboratory.sold()
    await laboratory.experiments.look_for_conversions()
    await laboratory.experiments.look_for_conversions()

    assert laboratory.signals.converted == {"itemized": 1}


async def test_an_order_before_the_exposure_converts_nobody(laboratory: Laboratory) -> None:
    await laboratory.sold()
    latest = await laboratory.sold()
    laboratory.shop.clock.advance(1)
    await laboratory.expose(latest)

    await laboratory.experiments.look_for_conversions()

    assert laboratory.signals.converted == {}


async def test_coming_back_after_the_window_is_no_conversion(laboratory: Laboratory) -> None:
    await laboratory.expose(await laboratory.sold())

    laboratory.shop.clock.advance(CONVERSION_WINDOW.total_seconds())
    await laboratory.sold()
    await laboratory.experiments.look_for_conversions()

    assert laboratory.signals.converted == {}


async def test_synthetic_customers_take_no_part(laboratory: Laboratory) -> None:
    await laboratory.expose(await laboratory.sold(synthetic=True))
    await laboratory.expose(await laboratory.sold(BOB))
    await laboratory.sold(BOB, synthetic=True)
    await laboratory.experiments.look_for_conversions()

    assert laboratory.signals.exposed == {"itemized": 1}
    assert laboratory.signals.converted == {}


async def test_every_customer_is_looked_at_in_turn(
    laboratory: Laboratory, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "LOOK_AT", 2)
    callers = [Caller(f"customer-{number}", frozenset({Role.CUSTOMER})) for number in range(5)]
    for caller in callers:
        await laboratory.expose(await laboratory.sold(caller))
    for caller in callers:
        await laboratory.sold(caller)

    for _ in range(3):
        await laboratory.experiments.look_for_conversions()

    assert laboratory.signals.converted == {"itemized": 5}


async def test_of_exposures_at_once_one_is_kept(laboratory: Laboratory) -> None:
    now = laboratory.shop.clock.now()
    first, second = (
        Exposure(LAYOUT, "alice", variant, OrderId(uuid7()), now) for variant in ("plain", "itemized")
    )

    added = [await laboratory.exposures.add(one) for one in (first, second)]

    assert added == [True, False]
    assert await laboratory.exposures.variant_of(LAYOUT, "alice") == "plain"
