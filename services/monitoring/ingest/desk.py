"""What is remembered of one sender, and how its points become samples of series.

Points are gathered into arrays and judged together: what a point costs is one look-up
under the bytes of its labels, which stay undecoded until a series is new.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from services.monitoring.ingest.limits import Allowance, Limits, fault
from services.monitoring.ingest.model import Kind, Reason, Receipt, Refused, Sender
from services.monitoring.promql import METRIC_NAME, Labels
from services.monitoring.windows import Cohort, StoreFull, Verdict, Windows

_REASONS = {Verdict.OUT_OF_ORDER: Reason.OUT_OF_ORDER, Verdict.DUPLICATE: Reason.DUPLICATE}
_JUDGED = (Reason.NO_TIME, Reason.IN_FUTURE, *_REASONS.values())


class HistogramSeries(NamedTuple):
    """The series of one classic histogram: one for each bucket, the sum where there is one, the count."""

    bounds: tuple[float, ...]
    numbers: tuple[int, ...]

    def fits(self, bounds: tuple[float, ...], *, has_sum: bool) -> bool:
        """Whether a point with these bounds has these series."""
        return self.bounds == bounds and len(self.numbers) == len(bounds) + 2 + has_sum


@dataclass
class Family:
    """A metric of one sender.

    Attributes:
        name: In Prometheus.
        kind: How its values behave.
        series: Numbers in the store, by the bytes of a point's labels.
        histograms: The same for histograms.
    """

    name: str
    kind: Kind
    series: dict[bytes, int] = field(default_factory=dict)
    histograms: dict[bytes, HistogramSeries] = field(default_factory=dict)

    @property
    def is_empty(self) -> bool:
        """Whether it has no series."""
        return not self.series and not self.histograms


@dataclass
class Desk:
    """One sender, and where its series lie.

    Attributes:
        sender: Who.
        patience_seconds: After which it counts as silent.
        tells_all: Whether each push has all that it has to say, so that what is missing has ended.
        heard_at: When it pushed last, by a monotonic clock.
        newest_ms: The newest time it told.
        swept_ms: Up to which time it was looked for series that ended.
        live: Series that have not ended, about.
        families: Its metrics, by the bytes of their names.
        cohorts: Under which its series lie in the store.
        remembered: How many look-ups `families` has.
    """

    sender: Sender
    allowance: Allowance
    patience_seconds: float
    tells_all: bool
    heard_at: float
    silent: bool = False
    newest_ms: int = 0
    swept_ms: int = 0
    live: int = 0
    families: dict[bytes, Family] = field(default_factory=dict)
    cohorts: set[Cohort] = field(default_factory=set)
    remembered: int = 0

    def forget_numbers(self) -> None:
        """Look every series up again when it is told next."""
        self.families.clear()
        self.remembered = 0


class Batch:
    """Points of one sender on their way into the store."""

    def __init__(self, desk: Desk, windows: Windows, limits: Limits) -> None:
        self.desk = desk
        self._windows = windows
        self._limits = limits
        self._numbers: list[int] = []
        self._times: list[int] = []
        self._values: list[float] = []
        self._spans: list[tuple[int, str, int]] = []
        self._refused: Counter[tuple[Reason, str]] = Counter()
        self._count = 0

    def __len__(self) -> int:
        return len(self._numbers)

    def another(self) -> Batch:
        """An empty one for more points of the same sender."""
        return Batch(self.desk, self._windows, self._limits)

    def begin(self, metric: str, samples_each: int = 1) -> None:
        """Say of which metric the next points are, and how many samples each makes. Empty: of several."""
        self._spans.append((len(self._numbers), metric, samples_each))

    def add(self, number: int, time_ms: int, value: float) -> None:
        """Take one sample."""
        self._count += 1
        self._numbers.append(number)
        self._times.append(time_ms)
        self._values.append(value)

    def add_all(self, numbers: Sequence[int], time_ms: int, values: Sequence[float]) -> None:
        """Take the samples of one point."""
        self._count += 1
        self._numbers += numbers
        self._times += [time_ms] * len(numbers)
        self._values += values

    def refuse(self, reason: Reason, metric: str, points: int = 1) -> None:
        """Note points that cannot be taken."""
        if points:
            self._refused[reason, metric] += points

    def number(self, labels: Labels | Reason, cohort: Cohort) -> int | Reason:
        """The number of a series that this sender has not told of lately, or why it can have none."""
        if isinstance(labels, Reason):
            return labels
        number = self._windows.find(labels)
        if number is None:
            reason = fault(labels, self._limits)
            if reason is not None:
                return reason
            if self.desk.live >= self._limits.series:
                return Reason.TOO_MANY_SERIES
            try:
                number = self._windows.number_of(labels, cohort)
            except StoreFull:
                return Reason.STORE_FULL
            self.desk.live += 1
        self.desk.cohorts.add(self._windows.cohort(number))
        self.desk.remembered += 1
        return number

    def close(self, now_ms: int, now: float) -> Receipt:
        """Judge what was gathered, keep what can be kept, and say of every point what became of it."""
        everything = np.arange(len(self))
        points = self._count
        if self.desk.allowance.take(len(self), now):
            codes = self._kept(now_ms, now)
            refused = [(reason, np.flatnonzero(codes == code)) for code, reason in enumerate(_JUDGED, 1)]
        else:
            refused = [(Reason.TOO_FAST, everything)]
        for reason, positions in refused:
            for metric, count in self._points(positions):
                self.refuse(reason, metric, count)
                points -= count
        told = tuple(Refused(reason, metric, count) for (reason, metric), count in self._refused.items())
        return Receipt(points, told)

    def _kept(self, now_ms: int, now: float) -> NDArray[np.uint8]:
        """Append what may be appended; for each sample 0, or which of `_JUDGED` keeps it out, from 1."""
        numbers, values = np.array(self._numbers, np.int64), np.array(self._values, np.float64)
        times = np.array(self._times, np.int64)
        codes = np.zeros(len(self), np.uint8)
        codes[times > now_ms + self._limits.future_seconds * 1000] = _code(Reason.IN_FUTURE)
        codes[times <= 0] = _code(Reason.NO_TIME)
        timely = np.flatnonzero(codes == 0)
        verdicts = self._windows.append(numbers[timely], times[timely], values[timely], now=now)
        for verdict, reason in _REASONS.items():
            codes[timely[verdicts == verdict]] = _code(reason)
        newest = times[timely[verdicts == Verdict.KEPT]].max(initial=0)
        self.desk.newest_ms = max(self.desk.newest_ms, int(newest))
        return codes

    def _points(self, positions: NDArray[np.int64]) -> Iterator[tuple[str, int]]:
        """How many points of each metric have samples at these positions."""
        if not positions.size:
            return
        starts = [start for start, _, _ in self._spans]
        edges = np.searchsorted(positions, [*starts, len(self)])
        for (start, metric, each), low, high in zip(self._spans, edges, edges[1:], strict=False):
            found = np.unique((positions[low:high] - start) // each)
            if metric:
                yield metric, found.size
            else:
                yield from Counter(self._name(start + int(at)) for at in found).items()

    def _name(self, position: int) -> str:
        return self._windows.labels(self._numbers[position])[METRIC_NAME]


def _code(reason: Reason) -> int:
    return 1 + _JUDGED.index(reason)
