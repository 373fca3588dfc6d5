"""From samples to aggregates: a histogram by its buckets, a counter by its steps, a gauge by its samples."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from services.monitoring.aggregates.increases import increases
from services.monitoring.aggregates.model import MOST_GROUPS, Aggregate, Asked, MetricUnknown, TooManyGroups
from services.monitoring.promql import BUCKET, METRIC_NAME, Cancellation, Labels, Matcher
from services.monitoring.windows import Windows

_QUANTILES = (0.5, 0.95, 0.99)
_STEPS = 300
"""In a window, for the rates of a counter: 12 s, 4.8 minutes and 33.6 minutes each."""
_SAMPLES_KEPT = 500_000
"""Of a gauge, for its percentiles: of more, every so-manieth is taken."""

Values = NDArray[np.float64]


class Aggregates:
    """Aggregates what the windows have. Call it from a thread: a week takes seconds."""

    def __init__(self, windows: Windows) -> None:
        self._windows = windows

    def of(self, asked: Asked, now_ms: int, cancellation: Cancellation) -> list[Aggregate]:
        """One aggregate for each group, in the order of their labels.

        Raises:
            MetricUnknown: Nothing has that name.
            TooManyGroups: The labels tell too many apart.
            Cancelled: It was stopped.
        """
        span = (now_ms - asked.window_ms, now_ms)
        if self._has(f"{asked.metric}_bucket", span):
            made = self._histograms(asked, span, cancellation)
        elif not self._has(asked.metric, span):
            raise MetricUnknown(f"No series {asked.metric} has a sample in the last {asked.window}.")
        elif asked.metric.endswith("_total"):
            made = self._counters(asked, span, cancellation)
        else:
            made = self._gauges(asked, span, cancellation)
        return sorted(made, key=lambda aggregate: tuple(aggregate.labels.items()))

    def _has(self, metric: str, span: tuple[int, int]) -> bool:
        return bool(self._windows.series([_named(metric)], *span))

    def _histograms(
        self, asked: Asked, span: tuple[int, int], cancellation: Cancellation
    ) -> Iterator[Aggregate]:
        by = (*asked.by, BUCKET)
        buckets = self._increased(f"{asked.metric}_bucket", by, span, cancellation)
        counts = self._increased(f"{asked.metric}_count", asked.by, span, cancellation)
        sums = self._increased(f"{asked.metric}_sum", asked.by, span, cancellation)
        groups: dict[Labels, list[tuple[float, float]]] = {}
        for labels, steps in buckets.items():
            bound = float(labels.get(BUCKET, "nan"))
            groups.setdefault(labels.without([BUCKET]), []).append((bound, float(steps.sum())))
        for labels, pairs in groups.items():
            count = float(counts.get(labels, np.zeros(1)).sum())
            total = float(sums.get(labels, np.zeros(1)).sum())
            low, high, *quantiles = _of_buckets(sorted(pairs), (0.0, 1.0, *_QUANTILES))
            mean = total / count if count else float("nan")
            rate = count * 1000 / asked.window_ms
            yield Aggregate(labels, count, total, rate, low, high, mean, *quantiles)

    def _counters(
        self, asked: Asked, span: tuple[int, int], cancellation: Cancellation
    ) -> Iterator[Aggregate]:
        for labels, steps in self._increased(asked.metric, asked.by, span, cancellation).items():
            count = float(steps.sum())
            rates = steps * 1000 * _STEPS / asked.window_ms
            quantiles = np.quantile(rates, _QUANTILES).tolist()
            rate = count * 1000 / asked.window_ms
            yield Aggregate(
                labels, count, count, rate, float(rates.min()), float(rates.max()), rate, *quantiles
            )

    def _gauges(self, asked: Asked, span: tuple[int, int], cancellation: Cancellation) -> Iterator[Aggregate]:
        groups: dict[Labels, _Samples] = {}
        for labels, _, values in self._pieces(asked.metric, span, cancellation):
            for group, rows in _grouped(labels, asked.by).items():
                groups.setdefault(group, _Samples()).add(values[rows])
                _check(groups)
        for group, samples in groups.items():
            if samples.count:
                yield samples.aggregate(group, asked.window_ms)

    def _increased(
        self, metric: str, by: Sequence[str], span: tuple[int, int], cancellation: Cancellation
    ) -> dict[Labels, Values]:
        """How much the counters of each group grew in each step of the window."""
        groups: dict[Labels, Values] = {}
        last: dict[Labels, float] = {}
        width = (span[1] - span[0]) / _STEPS
        for labels, times, values in self._pieces(metric, span, cancellation):
            before = np.array([last.get(each, np.nan) for each in labels])
            grown, after = increases(before, values)
            last.update(zip(labels, after.tolist(), strict=True))
            steps = np.minimum((times - span[0]) / width, _STEPS - 1).astype(np.int64)
            for group, rows in _grouped(labels, by).items():
                found = np.bincount(steps, grown[rows].sum(axis=0), _STEPS)
                groups[group] = groups.get(group, np.zeros(_STEPS)) + found
                _check(groups)
        return groups

    def _pieces(
        self, metric: str, span: tuple[int, int], cancellation: Cancellation
    ) -> Iterator[tuple[Sequence[Labels], NDArray[np.int64], Values]]:
        """The samples, lane by lane and block by block, in the order of time for each series."""
        parts = self._windows.parts(_named(metric), *span)
        for part in sorted(parts, key=lambda part: part.start_ms):
            for times, values in part.pieces(*span):
                cancellation.check()
                yield part.labels, times, values


@dataclass
class _Samples:
    """Samples of one group of gauges."""

    count: int = 0
    sum: float = 0.0
    low: float = float("inf")
    high: float = float("-inf")
    kept: list[Values] = field(default_factory=list)
    every: int = 1

    def add(self, values: Values) -> None:
        """Take more."""
        found = values[~np.isnan(values)]
        if not found.size:
            return
        self.count += found.size
        self.sum += float(found.sum())
        self.low, self.high = min(self.low, float(found.min())), max(self.high, float(found.max()))
        self.kept.append(found[:: self.every].copy())
        if sum(each.size for each in self.kept) > _SAMPLES_KEPT:
            self.every *= 2
            self.kept = [np.concatenate(self.kept)[::2].copy()]

    def aggregate(self, labels: Labels, window_ms: int) -> Aggregate:
        """What they amount to."""
        quantiles = np.quantile(np.concatenate(self.kept), _QUANTILES).tolist()
        rate = self.count * 1000 / window_ms
        mean = self.sum / self.count
        return Aggregate(labels, self.count, self.sum, rate, self.low, self.high, mean, *quantiles)


def _named(metric: str) -> list[Matcher]:
    return [Matcher(METRIC_NAME, "=", metric)]


def _grouped(labels: Sequence[Labels], by: Sequence[str]) -> dict[Labels, list[int]]:
    rows: dict[Labels, list[int]] = {}
    for row, each in enumerate(labels):
        rows.setdefault(each.only(by), []).append(row)
    return rows


def _check(groups: dict[Labels, Values] | dict[Labels, _Samples]) -> None:
    if len(groups) > MOST_GROUPS:
        raise TooManyGroups(f"There are more than {MOST_GROUPS} groups.")


def _of_buckets(buckets: Sequence[tuple[float, float]], quantiles: Sequence[float]) -> list[float]:
    """Quantiles from cumulative counts, linear within a bucket, as `histogram_quantile` has them."""
    bounds = np.array([bound for bound, _ in buckets])
    upto = np.maximum.accumulate([count for _, count in buckets])
    finite = bounds[np.isfinite(bounds)]
    if not upto[-1] or not finite.size:
        return [float("nan")] * len(quantiles)
    found = []
    for quantile in quantiles:
        rank = quantile * upto[-1]
        # The first bucket that is not empty holds the smallest.
        bucket = int(np.searchsorted(upto, rank)) if rank else int(np.argmax(upto > 0))
        low = bounds[bucket - 1] if bucket else min(0.0, bounds[0])
        below = upto[bucket - 1] if bucket else 0.0
        if not np.isfinite(bounds[bucket]):
            found.append(float(finite[-1]))
        else:
            share = (rank - below) / (upto[bucket] - below)
            found.append(float(low + (bounds[bucket] - low) * max(share, 0.0)))
    return found
