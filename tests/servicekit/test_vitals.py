"""Whether the process itself works, on a clock that stands still."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import psutil
import pytest

from servicekit.checks import Checks
from servicekit.clock import ManualClock
from servicekit.health import LIVENESS, Health
from servicekit.instruments import Instruments
from servicekit.vitals import MOST_LAG_SECONDS, PERIOD_SECONDS, watch_vitals


class Watched:
    """A process whose vitals are watched."""

    def __init__(self) -> None:
        self.health, self.clock, self.instruments = Health(), ManualClock(), Instruments("lab")
        self.checks = Checks(self.health, self.clock)
        self.checks.publish(["orders"])

    async def after(self, seconds: float) -> None:
        self.clock.advance(seconds)
        await asyncio.sleep(0)
        await self.asleep()

    async def asleep(self) -> None:
        while not self.clock.sleepers:
            await asyncio.sleep(0)

    def value(self, metric: str, **labels: str) -> float | None:
        return self.instruments.registry.get_sample_value(metric, labels)


@pytest.fixture
async def watched() -> AsyncIterator[Watched]:
    watched = Watched()
    watching = asyncio.create_task(
        watch_vitals(watched.checks, watched.health, watched.instruments, watched.clock)
    )
    await watched.asleep()
    yield watched
    watching.cancel()
    with pytest.raises(asyncio.CancelledError):
        await watching


async def test_a_loop_that_answers_is_alive(watched: Watched) -> None:
    await watched.after(PERIOD_SECONDS + 0.25)

    assert watched.value("event_loop_lag_seconds") == 0.25
    assert watched.health.is_serving(LIVENESS)


async def test_a_loop_that_was_held_up_says_so_and_recovers(watched: Watched) -> None:
    await watched.after(PERIOD_SECONDS + MOST_LAG_SECONDS)
    state = watched.health.state(LIVENESS)
    await watched.after(PERIOD_SECONDS)

    assert state is not None
    assert (state.serving, state.reason) == (False, "the event loop was held up for 5.0 s")
    assert watched.health.is_serving(LIVENESS)
    assert watched.value("event_loop_lag_seconds") == 0


async def test_memory_is_measured(watched: Watched) -> None:
    await watched.after(PERIOD_SECONDS)

    assert watched.value("process_resident_bytes") == pytest.approx(
        psutil.Process().memory_info().rss, rel=0.2
    )


async def test_every_health_name_is_a_metric(watched: Watched) -> None:
    watched.health.set("dependency/redis", serving=False, reason="no answer")
    await watched.after(PERIOD_SECONDS)

    values = {name: watched.value("health_status", name=name) for name in watched.health.snapshot()}
    assert values == {
        "": 1,
        "dependency/redis": 0,
        "liveness": 1,
        "orders": 1,
        "readiness": 1,
        "startup": 1,
    }
