"""Windows onto the past of every series: written by one loop, read by many threads.

Owns the samples. Promises that a reader sees whole pushes, that what is refused is said
sample by sample, and that memory is bounded by `Bounds`. A lock is held while a push is
written and while a reader copies from heads, never while blocks are packed, unpacked,
read or written.
"""

from __future__ import annotations

import threading
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager

import numpy as np
from numpy.typing import NDArray

from services.monitoring.promql import Labels, Matcher, Series
from services.monitoring.windows.lane import Block, Cohort, Lane, Segment
from services.monitoring.windows.lanes import Lanes, grouped
from services.monitoring.windows.model import (
    Bounds,
    Numbers,
    Occupancy,
    Times,
    Values,
    canonical,
)
from services.monitoring.windows.order import verdicts
from services.monitoring.windows.ports import Journal, NoJournal
from services.monitoring.windows.reading import Part, assembled
from services.monitoring.windows.registry import NOWHERE, Registry
from services.monitoring.windows.restoring import Restoration


class Windows:
    """The store. `append` and what else writes belong to one thread; all else may be called from any."""

    def __init__(self, bounds: Bounds | None = None) -> None:
        self.bounds = bounds or Bounds()
        self.generation = 0
        """Changes when series were forgotten: numbers that were remembered may mean nothing now."""
        self._lock = threading.RLock()
        self._registry = Registry(self.bounds)
        self._lanes = Lanes(self._registry, self.bounds, NoJournal())

    def number_of(self, labels: Labels, cohort: Cohort) -> int:
        """The number under which to append to the series with these labels.

        Raises:
            StoreFull: It is new, and there is no room.
        """
        with self._lock:
            return self._registry.number_of(labels, cohort)

    def find(self, labels: Labels) -> int | None:
        """The number of the series with these labels, if there is one."""
        return self._registry.find(labels)

    def cohort(self, number: int) -> Cohort:
        """Who samples a series."""
        return self._registry.cohort(number)

    def append(
        self, numbers: Numbers, times_ms: Times, values: Values, *, now: float = 0.0
    ) -> NDArray[np.uint8]:
        """Keep samples; returns a `Verdict` for each. Those of one series must come in order.

        Args:
            numbers: The series of each sample, as `number_of` gave it.
            times_ms: The time of each.
            values: The value of each.
            now: Seconds by a monotonic clock, for `rest`.
        """
        values = canonical(values)
        with self._lock:
            judged = verdicts(self._registry.known, numbers, times_ms, values)
            fresh = np.flatnonzero(judged.is_new)
            for time_ms, chosen in grouped(times_ms[fresh]):
                at = fresh[chosen]
                self._lanes.write(time_ms, numbers[at], values[at], now)
        return judged.verdicts

    def cohorts(self) -> list[Cohort]:
        """Who has samples that are not compressed yet."""
        with self._lock:
            return sorted({lane.cohort for lane in self._lanes if lane.is_open})

    def live(self, cohorts: Iterable[Cohort]) -> Numbers:
        """The series of some cohorts whose newest sample is not the stale mark, and not old."""
        with self._lock:
            found = [number for lane in self._lanes.open(cohorts) for number in lane.series]
            numbers = np.unique(np.array(found, np.int64))
            return numbers[~self._registry.has_ended(numbers)]

    def newest(self, numbers: Numbers) -> tuple[Times, Times]:
        """The time of the newest sample of each series, and how long before it came the one before."""
        known = self._registry.known
        return known["last_ms"][numbers], known["gap_ms"][numbers].astype(np.int64)

    def select(self, matchers: Sequence[Matcher], start_ms: int, end_ms: int) -> Sequence[Series]:
        """See `SeriesSource`."""
        return assembled(self.parts(matchers, start_ms, end_ms), start_ms, end_ms)

    def parts(self, matchers: Sequence[Matcher], start_ms: int, end_ms: int) -> Sequence[Part]:
        """The same, not yet unpacked: for whoever folds a long time piece by piece and could not hold it."""
        with self._lock:
            return self._parts(matchers, start_ms, end_ms)

    def series(self, selectors: Sequence[Sequence[Matcher]], start_ms: int, end_ms: int) -> list[Labels]:
        """See `LabelSource`: a series counts from its first sample to its last."""
        with self._lock:
            found = [self._registry.index.select(matchers) for matchers in selectors or [()]]
            numbers = np.unique(np.concatenate(found))
            known = self._registry.known[numbers]
            is_there = (known["first_ms"] <= end_ms) & (known["last_ms"] >= start_ms)
            return [self._registry.labels(int(number)) for number in numbers[is_there]]

    def label_names(self, selectors: Sequence[Sequence[Matcher]], start_ms: int, end_ms: int) -> list[str]:
        """See `LabelSource`."""
        return sorted({name for labels in self.series(selectors, start_ms, end_ms) for name in labels})

    def label_values(
        self, name: str, selectors: Sequence[Sequence[Matcher]], start_ms: int, end_ms: int
    ) -> list[str]:
        """See `LabelSource`."""
        found = self.series(selectors, start_ms, end_ms)
        return sorted({labels[name] for labels in found if name in labels})

    def rest(self, now: float) -> None:
        """Cut what is no longer fresh, and close lanes that nobody writes to. Call it every second or so."""
        with self._lock:
            self._lanes.rest(now)

    def labels(self, number: int) -> Labels:
        """The labels of a series; LookupError if it was forgotten."""
        return self._registry.labels(number)

    def has_lane(self, number: int) -> bool:
        """Whether there are samples in a lane, or may yet be."""
        return self._lanes.find(number) is not None

    def unkept(self) -> list[tuple[Lane, Block]]:
        """Blocks that lie in no segment yet, with their lanes; of one lane the oldest first."""
        with self._lock:
            return [(lane, block) for lane in self._lanes for block in lane.unkept()]

    @contextmanager
    def restoring(self) -> Iterator[Restoration]:
        """Put what an earlier process left into this store, which is empty and notes nothing yet."""
        with self._lock:
            yield Restoration(self._registry, self._lanes)

    @property
    def journal(self) -> Journal:
        """Where it is noted what is written."""
        return self._lanes.journal

    @journal.setter
    def journal(self, journal: Journal) -> None:
        with self._lock:
            self._lanes.journal = journal

    def forget(self, segments: frozenset[Segment]) -> None:
        """Forget what lies in these segments, then series without samples."""
        with self._lock:
            self.generation += self._lanes.forget(segments)

    def occupancy(self) -> Occupancy:
        """How much there is now."""
        with self._lock:
            lanes = list(self._lanes)
            return Occupancy(
                series=len(self._registry),
                head_bytes=sum(lane.head_bytes for lane in lanes),
                block_bytes=sum(block.memory_bytes for lane in lanes for block in lane.blocks),
            )

    def _found(self, numbers: Numbers) -> Iterator[tuple[Lane, Numbers]]:
        """The lanes in which series lie, and their rows there."""
        known = self._registry.known
        for lane, chosen in grouped(known["lane"][numbers].astype(np.int64)):
            if lane != NOWHERE:
                yield self._lanes[lane], known["row"][numbers[chosen]].astype(np.int64)

    def _found_earlier(self, numbers: Iterable[int]) -> Iterator[tuple[Lane, Numbers]]:
        """The same for lanes that series have left."""
        rows: dict[int, list[int]] = {}
        for number in numbers:
            for lane, row in self._registry.places(number)[:-1]:
                rows.setdefault(lane, []).append(row)
        for lane, found in rows.items():
            yield self._lanes[lane], np.array(found, np.int64)

    def _parts(self, matchers: Sequence[Matcher], start_ms: int, end_ms: int) -> list[Part]:
        numbers = self._registry.index.select(matchers)
        moved = self._registry.moved(numbers)
        settled = np.setdiff1d(numbers, moved, assume_unique=True) if moved else numbers
        found = [(lane, rows, False) for lane, rows in self._found(settled)]
        found += [(lane, rows, True) for lane, rows in self._found(np.array(moved, np.int64))]
        found += [(lane, rows, True) for lane, rows in self._found_earlier(moved)]
        made = []
        for lane, rows, has_moved in found:
            blocks = tuple(lane.overlapping(start_ms, end_ms))
            head = lane.head_part(rows, start_ms, end_ms)
            if blocks or head.times.size:
                labels = [self._registry.labels(lane.series[row]) for row in rows.tolist()]
                made.append(Part(labels, rows, blocks, head, has_moved))
        return made
