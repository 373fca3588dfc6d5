"""Series that rules record: as fine as they are recorded for a week, a sample a minute for 35 days.

The fine ones lie in the windows like any others. Of each, the first sample of a minute
goes to a database besides, and comes back from it when a process starts; what the
windows do not have (any more, or on a new disk) is read from those.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Mapping, Sequence
from itertools import islice
from typing import NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

from services.monitoring.promql import STALE_NAN_BITS, Labels, Matcher, Series
from services.monitoring.windows.keeping import Keeper
from services.monitoring.windows.lane import Cohort
from services.monitoring.windows.model import Bounds, Times, Values, bits_of
from services.monitoring.windows.store import Windows

STEP_MS = 60_000
KEPT_SECONDS = 35 * 24 * 3600
COHORT: Cohort = ("recorded", "", "")

_MOST_WAITING = 100_000
_BATCH = 5_000
_PAST = Bounds(series=10_000, history_seconds=KEPT_SECONDS, history_bytes=64 * 1024 * 1024, fresh_seconds=60)


class RecordedSample(NamedTuple):
    """One sample of a series that a rule records."""

    labels: Labels
    time_ms: int
    value: float


class RecordedStore(Protocol):
    """Where the samples of each minute are kept."""

    async def add(self, samples: Sequence[RecordedSample]) -> None:
        """Keep samples. Those that are there already change nothing.

        Raises:
            StoreUnavailable: Some or all may not be kept.
        """
        ...

    async def load(self, start_ms: int, end_ms: int) -> Mapping[Labels, tuple[Times, Values]]:
        """The samples from start to end, that one excluded, of each series in the order of time.

        Raises:
            StoreUnavailable: They cannot be read.
        """
        ...

    async def forget(self, before_ms: int) -> None:
        """Remove older samples.

        Raises:
            StoreUnavailable: Some may be left.
        """
        ...


class RecordedSignals(Protocol):
    """Where it is recorded what got lost."""

    def recorded_samples_lost(self, samples: int) -> None:
        """The database was away for so long that these will never be in it."""
        ...


class Recorded:
    """A `SeriesSource` over the windows and, beyond them, over what a database gave back."""

    def __init__(self, windows: Windows, signals: RecordedSignals) -> None:
        self._windows = windows
        self._signals = signals
        self._past = Windows(_PAST)
        self._keeper = Keeper(self._past)
        self._waiting: deque[RecordedSample] = deque()
        self._minutes: dict[Labels, int] = {}
        self._arrived = asyncio.Event()

    def record(
        self, time_ms: int, samples: Sequence[tuple[Labels, float]], *, now: float = 0.0
    ) -> NDArray[np.uint8]:
        """Keep what rules made at one time; a `Verdict` for each sample.

        Raises:
            StoreFull: There is no room for another series.
        """
        numbers = np.array([self._windows.number_of(labels, COHORT) for labels, _ in samples], np.int64)
        values = np.array([value for _, value in samples], np.float64)
        verdicts = self._windows.append(numbers, np.full(numbers.size, time_ms, np.int64), values, now=now)
        is_wanted = (verdicts == 0) & (bits_of(values) != STALE_NAN_BITS)
        for index in np.flatnonzero(is_wanted).tolist():
            self._wait(RecordedSample(samples[index][0], time_ms, samples[index][1]))
        return verdicts

    def remember(self, found: Mapping[Labels, tuple[Times, Values]]) -> None:
        """Take back what a database had. Of each series the older comes first."""
        if not found:
            return
        numbers = [self._past.number_of(labels, COHORT) for labels in found]
        counts = [times.size for times, _ in found.values()]
        # All at once, so that what was recorded together lies together.
        self._past.append(
            np.repeat(np.array(numbers, np.int64), counts),
            np.concatenate([times for times, _ in found.values()]),
            np.concatenate([values for _, values in found.values()]),
        )

    def keep(self) -> None:
        """Pack what was taken back, and forget what is too old. Call it from a thread, now and then."""
        self._keeper.keep()

    async def arrival(self) -> None:
        """Return once something waits for the database."""
        await self._arrived.wait()

    def waiting(self) -> Sequence[RecordedSample]:
        """The oldest of what waits for the database."""
        return tuple(islice(self._waiting, _BATCH))

    def written(self, samples: Sequence[RecordedSample]) -> None:
        """The database has these now."""
        for sample in samples:
            # Some may have been lost to newer ones meanwhile.
            if self._waiting and self._waiting[0] is sample:
                self._waiting.popleft()
            times = np.array([sample.time_ms], np.int64)
            self.remember({sample.labels: (times, np.array([sample.value]))})
        if not self._waiting:
            self._arrived.clear()

    def select(self, matchers: Sequence[Matcher], start_ms: int, end_ms: int) -> Sequence[Series]:
        """See `SeriesSource`."""
        fine = self._windows.select(matchers, start_ms, end_ms)
        past = self._past.select(matchers, start_ms, end_ms)
        if not past:
            return fine
        found = {series.labels: series for series in fine}
        for series in past:
            newer = found.get(series.labels)
            found[series.labels] = series if newer is None else _joined(series, newer)
        return list(found.values())

    def _wait(self, sample: RecordedSample) -> None:
        minute = sample.time_ms // STEP_MS
        if self._minutes.get(sample.labels) == minute:
            return
        self._minutes[sample.labels] = minute
        if len(self._waiting) >= _MOST_WAITING:
            self._waiting.popleft()
            self._signals.recorded_samples_lost(1)
        self._waiting.append(sample)
        self._arrived.set()


def _joined(past: Series, fine: Series) -> Series:
    """The fine samples, and before them those of each minute."""
    older = int(np.searchsorted(past.timestamps, fine.timestamps[0]))
    if not older:
        return fine
    return Series(
        fine.labels,
        np.concatenate([past.timestamps[:older], fine.timestamps]),
        np.concatenate([past.values[:older], fine.values]),
    )
