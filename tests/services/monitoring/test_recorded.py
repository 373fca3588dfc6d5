"""What rules record: one contract for its stores, and what a later process knows of it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping, Sequence

import numpy as np
import pytest
from typing_extensions import override

from servicekit.clock import ManualClock
from servicekit.errors import StoreUnavailable
from servicekit.postgres import Database
from services.monitoring.promql import Labels, Matcher
from services.monitoring.store.memory import MemoryRecorded
from services.monitoring.store.recorded import PostgresRecorded
from services.monitoring.windows import (
    KEPT_SECONDS,
    STALE,
    Recorded,
    RecordedSample,
    RecordedSignals,
    RecordedStore,
    Times,
    Values,
    Windows,
)
from services.monitoring.workers import STORE_PAUSE_SECONDS, RecordedKeeper

CLOCK = ManualClock()
NOW = int(CLOCK.now().timestamp() * 1000) // 60_000 * 60_000
GOOD, ALL = Labels({"__name__": "slo:good"}), Labels({"__name__": "slo:all", "slo": "orders"})
EVERYTHING = [Matcher("__name__", "=~", "slo:.*")]


@pytest.fixture(params=["memory", "postgres"])
async def store(
    request: pytest.FixtureRequest, open_database: Callable[..., Database]
) -> AsyncIterator[RecordedStore]:
    if request.param == "memory":
        yield MemoryRecorded()
    else:
        yield PostgresRecorded(open_database("services.monitoring"))


def plain(found: Mapping[Labels, tuple[Times, Values]]) -> dict[Labels, list[tuple[int, float]]]:
    return {
        labels: list(zip(times.tolist(), values.tolist(), strict=True))
        for labels, (times, values) in found.items()
    }


async def test_samples_come_back_by_series_in_the_order_of_time(store: RecordedStore) -> None:
    await store.add([RecordedSample(GOOD, NOW + 60_000, 2.0), RecordedSample(ALL, NOW, 3.5)])
    await store.add([RecordedSample(GOOD, NOW + 1, 1.0)])

    found = plain(await store.load(NOW, NOW + 120_000))

    assert found == {GOOD: [(NOW + 1, 1.0), (NOW + 60_000, 2.0)], ALL: [(NOW, 3.5)]}


async def test_the_end_of_a_time_is_not_in_it(store: RecordedStore) -> None:
    await store.add([RecordedSample(GOOD, NOW, 1.0), RecordedSample(GOOD, NOW + 10, 2.0)])

    assert plain(await store.load(NOW, NOW + 10)) == {GOOD: [(NOW, 1.0)]}


async def test_adding_a_sample_again_keeps_it_once(store: RecordedStore) -> None:
    await store.add([RecordedSample(GOOD, NOW, 1.0)])
    await store.add([RecordedSample(GOOD, NOW, 1.0)])

    assert plain(await store.load(NOW, NOW + 1)) == {GOOD: [(NOW, 1.0)]}


async def test_what_is_forgotten_is_gone(store: RecordedStore) -> None:
    await store.add([RecordedSample(GOOD, NOW, 1.0), RecordedSample(GOOD, NOW + 1, 2.0)])

    await store.forget(NOW + 1)

    assert plain(await store.load(NOW, NOW + 100)) == {GOOD: [(NOW + 1, 2.0)]}


class Lost(RecordedSignals):
    """Remembers what was lost."""

    def __init__(self) -> None:
        self.samples = 0

    @override
    def recorded_samples_lost(self, samples: int) -> None:
        self.samples += samples


def record(recorded: Recorded, minutes: range, *, every_ms: int = 5_000) -> None:
    """What rules make each 5 s."""
    for at_ms in range(NOW + minutes.start * 60_000, NOW + minutes.stop * 60_000, every_ms):
        recorded.record(at_ms, [(GOOD, float(at_ms - NOW)), (ALL, 1.0)])


def kept(recorded: Recorded) -> dict[Labels, list[tuple[int, float]]]:
    found = recorded.select(EVERYTHING, 0, 1 << 60)
    return plain({series.labels: (series.timestamps, series.values) for series in found})


async def test_the_first_sample_of_each_minute_goes_to_the_database() -> None:
    recorded = Recorded(Windows(), Lost())

    record(recorded, range(3))

    assert [sample.time_ms - NOW for sample in recorded.waiting() if sample.labels == GOOD] == [
        0,
        60_000,
        120_000,
    ]


async def test_a_mark_stays_in_the_windows() -> None:
    recorded = Recorded(Windows(), Lost())

    recorded.record(NOW, [(GOOD, STALE)])

    assert recorded.waiting() == ()


async def test_a_process_on_a_new_disk_knows_what_was_recorded_by_the_minute(store: RecordedStore) -> None:
    first = Recorded(Windows(), Lost())
    record(first, range(200))
    while waiting := first.waiting():
        await store.add(waiting)
        first.written(waiting)

    second = Recorded(Windows(), Lost())
    second.remember(await store.load(NOW, NOW + KEPT_SECONDS * 1000))
    second.keep()
    record(second, range(200, 202))

    minutes = [(NOW + minute * 60_000, minute * 60_000.0) for minute in range(200)]
    assert kept(second)[GOOD][:200] == minutes
    assert len(kept(second)[GOOD]) == 200 + 24
    [good, everything] = second.select(EVERYTHING, NOW, NOW + 100 * 60_000)
    assert good.timestamps is everything.timestamps


async def test_where_the_windows_have_a_sample_the_minutes_are_not_read() -> None:
    recorded = Recorded(Windows(), Lost())
    record(recorded, range(3))
    recorded.written(recorded.waiting())

    assert len(kept(recorded)[GOOD]) == 36


class UnreliableStore(MemoryRecorded):
    """A store that is away until it is back."""

    def __init__(self) -> None:
        super().__init__()
        self.is_away = True

    @override
    async def add(self, samples: Sequence[RecordedSample]) -> None:
        if self.is_away:
            raise StoreUnavailable("away")
        await super().add(samples)

    @override
    async def load(self, start_ms: int, end_ms: int) -> Mapping[Labels, tuple[Times, Values]]:
        if self.is_away:
            raise StoreUnavailable("away")
        return await super().load(start_ms, end_ms)


async def test_a_database_that_is_away_is_waited_for() -> None:
    store, clock, recorded = UnreliableStore(), ManualClock(), Recorded(Windows(), Lost())
    await MemoryRecorded.add(store, [RecordedSample(GOOD, NOW - 60_000, 7.0)])
    stop = asyncio.Event()
    running = asyncio.create_task(RecordedKeeper(recorded, store, clock).run(stop))
    record(recorded, range(1))
    await asyncio.sleep(0)
    store.is_away = False

    async with asyncio.timeout(10):
        while recorded.waiting():
            clock.advance(STORE_PAUSE_SECONDS)
            await asyncio.sleep(0.001)
    stop.set()
    await running

    assert kept(recorded)[GOOD][0] == (NOW - 60_000, 7.0)
    assert plain(await store.load(NOW, NOW + 1)) == {GOOD: [(NOW, 0.0)], ALL: [(NOW, 1.0)]}


async def test_what_waits_is_bounded_and_the_oldest_is_lost_aloud(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("services.monitoring.windows.recorded._MOST_WAITING", 10)
    lost = Lost()
    recorded = Recorded(Windows(), lost)

    record(recorded, range(10), every_ms=60_000)

    assert len(recorded.waiting()) == 10
    assert lost.samples == 10


def test_samples_of_one_time_share_it() -> None:
    recorded = Recorded(Windows(), Lost())
    times = np.array([NOW, NOW + 60_000])

    recorded.remember({GOOD: (times, np.zeros(2)), ALL: (times, np.ones(2))})

    assert len({id(series.timestamps) for series in recorded.select(EVERYTHING, 0, 1 << 60)}) == 1
