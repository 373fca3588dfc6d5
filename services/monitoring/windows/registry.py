"""Every series there is: its number, its labels, where its samples lie, and its newest one.

A number is given once. What is known of a series lies in columns, so that a push is
judged by a few operations on arrays however many samples it has.
"""

from __future__ import annotations

from collections.abc import Iterator
from sys import intern

import numpy as np
from numpy.typing import NDArray

from services.monitoring.promql import STALE_NAN_BITS, Labels
from services.monitoring.windows.index import LabelIndex
from services.monitoring.windows.lane import Cohort
from services.monitoring.windows.model import Bounds, Numbers, StoreFull, Values, bits_of

NOWHERE = -1
NEVER = np.iinfo(np.int64).min
LONGEST_GAP_MS = 300_000
"""A series that pauses for longer is not slow, it was away."""

_FIELDS = [
    ("first_ms", np.int64),
    ("last_ms", np.int64),
    ("told_ms", np.int64),
    ("last_value", np.float64),
    ("lane", np.int32),
    ("gap_ms", np.int32),
    ("cohort", np.int32),
    ("row", np.int16),
]
_NEW = np.array((NEVER, NEVER, NEVER, np.nan, NOWHERE, 0, 0, 0), np.dtype(_FIELDS, align=True))


class Registry:
    """What is known of each series beside its samples."""

    def __init__(self, bounds: Bounds) -> None:
        self._bounds = bounds
        self._numbers: dict[Labels, int] = {}
        self._labels: list[Labels | None] = []
        self._cohorts: list[Cohort] = []
        self._cohort_numbers: dict[Cohort, int] = {}
        self._earlier: dict[int, list[tuple[int, int]]] = {}
        self.index = LabelIndex()
        self.known = np.full(1024, _NEW)
        """One record for each number: its lane and row now, its first and its last sample."""

    def __len__(self) -> int:
        return len(self._numbers)

    def find(self, labels: Labels) -> int | None:
        """The number of the series with these labels, if there is one."""
        return self._numbers.get(labels)

    def number_of(self, labels: Labels, cohort: Cohort) -> int:
        """The number of the series with these labels, a new one if need be; the first cohort keeps it.

        Raises:
            StoreFull: It is new, and there are as many as there may be.
        """
        number = self._numbers.get(labels)
        if number is not None:
            return number
        if len(self._numbers) >= self._bounds.series:
            raise StoreFull
        number = len(self._labels)
        # Series share most of their words: each is held once.
        labels = Labels((intern(name), intern(value)) for name, value in labels.items())
        if number == len(self.known):
            self.known = np.concatenate([self.known, np.full(number // 2, _NEW)])
        self._numbers[labels] = number
        self._labels.append(labels)
        self.known["cohort"][number] = self._numbered(cohort)
        self.index.add(number, labels)
        return number

    def labels(self, number: int) -> Labels:
        """The labels of a series that is known."""
        labels = self._labels[number]
        if labels is None:
            raise LookupError(number)
        return labels

    def cohort(self, number: int) -> Cohort:
        """Who samples it."""
        return self._cohorts[int(self.known["cohort"][number])]

    def move(self, number: int, lane: int, row: int) -> None:
        """Note that from now on its samples lie elsewhere."""
        one = self.known[number]
        if one["lane"] != NOWHERE:
            self._earlier.setdefault(number, []).append((int(one["lane"]), int(one["row"])))
        one["lane"], one["row"] = lane, row

    def places(self, number: int) -> list[tuple[int, int]]:
        """Lanes and rows where its samples lie, the oldest first."""
        one = self.known[number]
        return [*self._earlier.get(number, ()), (int(one["lane"]), int(one["row"]))]

    def moved(self, numbers: Numbers) -> list[int]:
        """Those of them that have samples in more than one lane."""
        if not self._earlier:
            return []
        return [int(number) for number in numbers if int(number) in self._earlier]

    def advance(self, numbers: Numbers, time_ms: int, values: Values) -> None:
        """Note the newest sample of each. A mark is no sample of the sender's: its rhythm goes on beneath."""
        known = self.known
        fresh = numbers[known["last_ms"][numbers] == NEVER]
        known["first_ms"][fresh] = time_ms
        known["last_ms"][numbers] = time_ms
        known["last_value"][numbers] = values
        told = numbers[~self.has_ended(numbers)]
        gaps = np.minimum(time_ms - np.maximum(known["told_ms"][told], 0), LONGEST_GAP_MS)
        is_rhythm = (known["told_ms"][told] != NEVER) & (gaps > 0)
        known["gap_ms"][told[is_rhythm]] = gaps[is_rhythm]
        known["told_ms"][told] = time_ms

    def span(self, numbers: Numbers, start_ms: int, end_ms: int) -> None:
        """Note that there are samples from start to end, of which nothing else is known."""
        known = self.known
        first = known["first_ms"][numbers]
        known["first_ms"][numbers] = np.where(first == NEVER, start_ms, np.minimum(first, start_ms))
        known["last_ms"][numbers] = np.maximum(known["last_ms"][numbers], end_ms)

    def has_ended(self, numbers: Numbers) -> NDArray[np.bool_]:
        """Whether the newest sample of each is the stale mark."""
        ended: NDArray[np.bool_] = bits_of(self.known["last_value"][numbers]) == STALE_NAN_BITS
        return ended

    def forget(self, lanes: frozenset[int]) -> bool:
        """Forget these lanes, and series that have samples in no other. True if any series went."""
        for number in list(self._earlier):
            kept = [place for place in self._earlier[number] if place[0] not in lanes]
            if kept:
                self._earlier[number] = kept
            else:
                del self._earlier[number]
        gone = [number for number in self._present() if self._is_in(number, lanes)]
        for number in gone:
            del self._numbers[self.labels(number)]
            self._labels[number] = None
            self.known[number] = _NEW
        if gone:
            self.index = LabelIndex()
            for number in self._present():
                self.index.add(number, self.labels(number))
        return bool(gone)

    def _present(self) -> Iterator[int]:
        return (number for number, labels in enumerate(self._labels) if labels is not None)

    def _is_in(self, number: int, lanes: frozenset[int]) -> bool:
        return int(self.known["lane"][number]) in lanes and number not in self._earlier

    def _numbered(self, cohort: Cohort) -> int:
        if cohort not in self._cohort_numbers:
            self._cohort_numbers[cohort] = len(self._cohorts)
            self._cohorts.append(cohort)
        return self._cohort_numbers[cohort]
