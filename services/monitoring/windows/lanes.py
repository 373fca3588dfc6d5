"""All lanes, and which series lies where: writing, housing, closing. Under the store's lock throughout."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import numpy as np

from services.monitoring.windows.lane import Cohort, Lane, Segment
from services.monitoring.windows.model import Bounds, Numbers, Times, Values
from services.monitoring.windows.ports import Journal
from services.monitoring.windows.registry import Registry


class Lanes:
    """The lanes of one store.

    Series of one cohort that are sampled together lie in one lane. One that falls out of
    step moves, once, to a lane of its own: so the lanes stay dense whatever is sent.
    """

    def __init__(self, registry: Registry, bounds: Bounds, journal: Journal) -> None:
        self._registry = registry
        self.journal = journal
        self._fresh_seconds = bounds.fresh_seconds
        self._by_number: dict[int, Lane] = {}
        self._open: dict[Cohort, list[Lane]] = {}
        self._next_number = 0

    def __iter__(self) -> Iterator[Lane]:
        return iter(list(self._by_number.values()))

    def __getitem__(self, number: int) -> Lane:
        return self._by_number[number]

    def find(self, number: int) -> Lane | None:
        """A lane by its number."""
        return self._by_number.get(number)

    def open(self, cohorts: Iterable[Cohort]) -> list[Lane]:
        """The open lanes of some cohorts."""
        return [lane for cohort in cohorts for lane in self._open.get(cohort, ())]

    def write(self, time_ms: int, numbers: Numbers, values: Values, now: float) -> None:
        """Write samples of one time: first where their series lie, then those that lie nowhere, or badly."""
        known = self._registry.known
        homeless = []
        for number, chosen in grouped(known["lane"][numbers].astype(np.int64)):
            lane = self._by_number.get(number)
            if lane is None or not lane.has_column(time_ms):
                homeless.append(chosen)
                continue
            rows = known["row"][numbers[chosen]].astype(np.int64)
            self._write_rows(lane, time_ms, rows, values[chosen], now)
        if homeless:
            left = np.concatenate(homeless)
            self._house(time_ms, numbers[left], values[left], now)
        self._registry.advance(numbers, time_ms, values)

    def rest(self, now: float) -> None:
        """Cut what is no longer fresh; close lanes that nobody writes to, or whose series are mostly over."""
        fresh_ms = int(self._fresh_seconds * 1000)
        for lane in [lane for lanes in self._open.values() for lane in lanes]:
            if lane.touched_at < now - self._fresh_seconds or self._is_mostly_over(lane, fresh_ms):
                self._close(lane)
            elif lane.span_ms > 3 * fresh_ms:
                lane.cut_before(lane.last_ms - fresh_ms)

    def forget(self, segments: frozenset[Segment]) -> bool:
        """Forget the blocks in these segments and what is left without samples. True if series went."""
        for lane in self._by_number.values():
            lane.blocks = [block for block in lane.blocks if block.segment not in segments]
        empty = [lane.number for lane in self if not lane.is_open and not lane.blocks]
        for number in empty:
            del self._by_number[number]
        return bool(empty) and self._registry.forget(frozenset(empty))

    def restored(self, number: int, cohort: Cohort) -> Lane:
        """The lane of this number, from before a restart; a new one if it was not heard of yet."""
        lane = self._by_number.get(number)
        if lane is None:
            lane = self._by_number[number] = Lane(number, cohort)
            self._open.setdefault(cohort, []).append(lane)
            self._next_number = max(self._next_number, number + 1)
        return lane

    def join(self, lane: Lane, series: int) -> int:
        """Let a series go on in a lane; returns its row."""
        row = lane.join(series)
        self._registry.move(series, lane.number, row)
        return row

    def _house(self, time_ms: int, numbers: Numbers, values: Values, now: float) -> None:
        """Let series join those of their cohort that were sampled at this very time, or a new lane."""
        for _, chosen in grouped(self._registry.known["cohort"][numbers].astype(np.int64)):
            cohort = self._registry.cohort(int(numbers[chosen[0]]))
            left = chosen
            while left.size:
                lane = self._lane_for(cohort, time_ms, left.size)
                joining, left = left[: lane.room], left[lane.room :]
                rows = [self.join(lane, number) for number in numbers[joining].tolist()]
                self._write_rows(lane, time_ms, np.array(rows, np.int64), values[joining], now)

    def _lane_for(self, cohort: Cohort, time_ms: int, size: int) -> Lane:
        for lane in self._open.get(cohort, ()):
            if lane.room and lane.last_ms == time_ms:
                return lane
        lane = Lane(self._next_number, cohort, rows=size)
        self._next_number += 1
        self._by_number[lane.number] = lane
        self._open.setdefault(cohort, []).append(lane)
        return lane

    def _write_rows(self, lane: Lane, time_ms: int, rows: Numbers, values: Values, now: float) -> None:
        lane.write(time_ms, rows, values)
        lane.touched_at = now
        self.journal.wrote(lane, time_ms, rows, values)

    def _close(self, lane: Lane) -> None:
        lane.close()
        lanes = self._open[lane.cohort]
        lanes.remove(lane)
        if not lanes:
            del self._open[lane.cohort]

    def _is_mostly_over(self, lane: Lane, fresh_ms: int) -> bool:
        """Whether half of the series ended a while ago: the others then move, and the head goes."""
        numbers = np.array(lane.series, np.int64)
        here = numbers[self._registry.known["lane"][numbers] == lane.number]
        is_live = self._registry.known["last_ms"][here] >= lane.last_ms - fresh_ms
        return int(is_live.sum()) * 2 <= numbers.size


def grouped(keys: Times) -> Iterator[tuple[int, Numbers]]:
    """Where each distinct key stands, ascending by key. In the usual case there is one."""
    if not keys.size or (keys == keys[0]).all():
        yield from [(int(keys[0]), np.arange(keys.size))] if keys.size else []
        return
    order = np.argsort(keys, kind="stable")
    distinct, starts = np.unique(keys[order], return_index=True)
    yield from zip(distinct.tolist(), np.split(order, starts[1:]), strict=True)
