"""The verdict of named checks, on a clock that stands still."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from servicekit.checks import Check, Checks
from servicekit.clock import ManualClock
from servicekit.errors import StoreUnavailable
from servicekit.health import Health


class Thing:
    """Something that can be well or not."""

    def __init__(self) -> None:
        self.fault: Exception | None = None
        self.probes = 0

    async def probe(self) -> None:
        self.probes += 1
        if self.fault is not None:
            raise self.fault


class House:
    def __init__(self) -> None:
        self.health = Health()
        self.clock = ManualClock()
        self.checks = Checks(self.health, self.clock)

    @asynccontextmanager
    async def running(self, *checks: Check) -> AsyncIterator[None]:
        for check in checks:
            self.checks.add(check)
        self.checks.publish(["tillmesh.orders.v1.OrdersService"])
        self._count = len(checks)
        task = asyncio.create_task(self.checks.run())
        await self._settled()
        yield
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    async def a_period(self) -> None:
        self.clock.advance(1.0)
        await self._settled()

    async def _settled(self) -> None:
        while self.clock.sleepers < self._count:
            await asyncio.sleep(0)

    def serving(self) -> dict[str, bool]:
        return {name: state.serving for name, state in self.health.snapshot().items()}


async def test_a_process_earns_serving() -> None:
    house, postgres = House(), Thing()
    house.checks.add(Check("postgres", postgres.probe))
    house.checks.publish([])
    assert house.serving() == {
        "": False,
        "dependency/postgres": False,
        "liveness": True,
        "readiness": False,
        "startup": False,
    }


async def test_passing_checks_make_every_name_serve() -> None:
    house, postgres = House(), Thing()

    async with house.running(Check("postgres", postgres.probe)):
        assert set(house.serving().values()) == {True}


async def test_a_failing_check_is_not_masked_by_a_passing_one() -> None:
    house, postgres, redis = House(), Thing(), Thing()

    async with house.running(Check("postgres", postgres.probe), Check("redis", redis.probe)):
        postgres.fault = StoreUnavailable("the database did not answer")
        await house.a_period()

        assert redis.probes == postgres.probes
        assert not house.health.is_serving("readiness")
        state = house.health.state("readiness")
        assert state is not None
        assert state.reason == "postgres: the database did not answer"


async def test_startup_latches_and_liveness_ignores_neighbours() -> None:
    house, postgres = House(), Thing()

    async with house.running(Check("postgres", postgres.probe)):
        postgres.fault = OSError()
        await house.a_period()

        assert house.health.is_serving("startup")
        assert house.health.is_serving("liveness")
        assert not house.health.is_serving("")


async def test_a_peer_never_decides_readiness_and_needs_three_failures() -> None:
    house, payments = House(), Thing()
    check = Check("payments", payments.probe, own=False, failures_to_go_down=3)

    async with house.running(check):
        payments.fault = OSError()
        await house.a_period()
        await house.a_period()
        assert house.health.is_serving("dependency/payments")
        await house.a_period()

        assert not house.health.is_serving("dependency/payments")
        assert house.health.is_serving("readiness")


async def test_one_success_brings_a_check_back() -> None:
    house, postgres = House(), Thing()

    async with house.running(Check("postgres", postgres.probe)):
        postgres.fault = OSError()
        await house.a_period()
        postgres.fault = None
        await house.a_period()

        assert house.health.is_serving("readiness")


async def test_draining_ends_readiness_but_not_life() -> None:
    house = House()
    house.checks.publish(["orders"])

    house.checks.drain()

    assert house.serving() == {
        "": False,
        "liveness": True,
        "orders": False,
        "readiness": False,
        "startup": True,
    }


async def test_a_process_that_is_not_alive_serves_nothing() -> None:
    house = House()
    house.checks.publish(["orders"])

    house.checks.live(alive=False, reason="the event loop was held up")

    assert not house.health.is_serving("")
    assert not house.health.is_serving("orders")
    assert not house.health.is_serving("liveness")
    assert house.health.is_serving("readiness")
