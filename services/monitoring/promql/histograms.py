"""Quantiles and fractions of classic histograms: cumulative counts in series told apart by `le`."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

import numpy as np

from services.monitoring.promql.context import Context
from services.monitoring.promql.labels import BUCKET, METRIC_NAME
from services.monitoring.promql.values import Bools, Floats, Frame, Indexes, fold_rows, group_by

_TOLERANCE = 1e-12
_SMALLEST_NORMAL = float(np.finfo(np.float64).smallest_normal)

Measure = Callable[[Floats, Floats, Indexes], Floats]
"""From upper bounds and counts, each a row for a histogram at a step, and its step."""


def histogram_quantile(context: Context, buckets: Frame, ranks: Floats) -> Frame:
    """Return the quantile of each histogram; `ranks` has one for each step."""
    note_invalid_quantiles(context, ranks)
    return context.unnamed(_measured(context, buckets, _quantile(context, buckets, ranks)))


def histogram_quantiles(context: Context, buckets: Frame, label: str, ranks: Sequence[Floats]) -> Frame:
    """Return several quantiles of each histogram, told apart by a label."""
    parts = []
    for each in ranks:
        note_invalid_quantiles(context, each)
        measured = _measured(context, buckets, _quantile(context, buckets, each))
        text = _open_metrics(float(each[0]))
        labels = [one.with_values({label: text}) for one in measured.labels]
        parts.append(Frame(labels, measured.values, measured.mask()))
    values, masks = [part.values for part in parts], [part.mask() for part in parts]
    labels = [one for part in parts for one in part.labels]
    return context.unnamed(Frame(labels, np.concatenate(values), np.concatenate(masks)))


def histogram_fraction(context: Context, buckets: Frame, lower: Floats, upper: Floats) -> Frame:
    """Return which part of the observations is between two values, both for each step."""

    def measure(bounds: Floats, counts: Floats, steps: Indexes) -> Floats:
        return bucket_fraction(lower[steps], upper[steps], bounds, counts)

    return context.unnamed(_measured(context, buckets, measure))


def note_invalid_quantiles(context: Context, ranks: Floats) -> None:
    """Warn of quantiles that are not between 0 and 1."""
    for rank in sorted(set(ranks[~((ranks >= 0) & (ranks <= 1))].tolist())):
        context.notes.warn(f"quantile value should be between 0 and 1, got {rank:g}")


def _quantile(context: Context, buckets: Frame, ranks: Floats) -> Measure:
    def measure(bounds: Floats, counts: Floats, steps: Indexes) -> Floats:
        rising, is_forced = monotonic(counts)
        if is_forced.any():
            names = sorted({each.get(METRIC_NAME, "") for each in buckets.labels})
            context.notes.inform(
                "input to histogram_quantile needed to be fixed for monotonicity (see https://prometheus.io/docs/"
                f'prometheus/latest/querying/functions/#histogram_quantile) for metric name "{names[0]}"'
            )
        return bucket_quantile(ranks[steps], bounds, rising)

    return measure


def _measured(context: Context, buckets: Frame, measure: Measure) -> Frame:
    """Return a number for each histogram at each step at which it has buckets."""
    bounds = _bounds(context, buckets)
    usable = np.flatnonzero(~np.isnan(bounds))
    frame, bounds = buckets.take(usable), bounds[usable]
    histograms, names = group_by([labels.bucketless for labels in frame.labels])
    slots, keys = group_by(list(zip(histograms.tolist(), bounds.tolist(), strict=True)))
    present = fold_rows(np.logical_or, frame.mask(), slots, len(keys))
    counts = fold_rows(np.add, np.where(frame.mask(), frame.values, 0.0), slots, len(keys))
    owners, limits = (
        (np.array(each) for each in zip(*keys, strict=True)) if keys else (np.zeros(0), np.zeros(0))
    )
    order = np.lexsort((limits, owners))
    found = np.zeros((len(names), frame.steps))
    seen = np.zeros(found.shape, dtype=np.bool_)
    for rows in _same_sizes(owners[order]):
        slot = order[rows]
        numbers = owners[slot[:, 0]].astype(np.intp)
        found[numbers] = _each_cell(limits[slot], counts[slot], present[slot], measure)
        seen[numbers] = present[slot].any(axis=1)
    flags = None
    if frame.nameless is not None:
        flags = fold_rows(np.logical_or, frame.nameless[:, None], histograms, len(names))[:, 0]
    return Frame(names, found, seen, flags).without_empty_rows()


def _bounds(context: Context, frame: Frame) -> Floats:
    """Return the upper bound of each bucket; NaN, and a warning, where there is none."""
    texts = [labels.get(BUCKET, "") for labels in frame.labels]
    bounds = {text: _bound(text) for text in set(texts)}
    for labels in frame.labels if any(map(math.isnan, bounds.values())) else ():
        text = labels.get(BUCKET, "")
        if math.isnan(bounds[text]):
            fault = f'bucket label "{BUCKET}" is missing or has a malformed value of "{text}"'
            context.notes.warn(f'{fault} for metric name "{labels.get(METRIC_NAME, "")}"')
    return np.array([bounds[text] for text in texts], dtype=np.float64)


def _bound(text: str) -> float:
    try:
        return float(text) if text.strip("_ ") == text else math.nan
    except ValueError:
        return math.nan


def _same_sizes(owners: np.ndarray) -> list[Indexes]:
    """Return the positions of all histograms with equally many buckets, a row for each histogram."""
    starts = np.flatnonzero(np.diff(owners, prepend=-1))
    sizes = np.diff(starts, append=len(owners))
    return [starts[sizes == size][:, None] + np.arange(size) for size in np.unique(sizes).tolist()]


def _each_cell(bounds: Floats, counts: Floats, present: Bools, measure: Measure) -> Floats:
    """Return the measure of each histogram at each step: of all its buckets, or of those present then."""
    height, width, steps = counts.shape
    cells = np.moveaxis(counts, 1, 2).reshape(-1, width)
    there = np.moveaxis(present, 1, 2).reshape(-1, width)
    numbers = np.tile(np.arange(steps), height)
    limits = np.repeat(bounds, steps, axis=0)
    found = np.zeros(len(cells))
    sizes = there.sum(axis=1)
    for size in np.unique(sizes[sizes > 0]).tolist():
        chosen = np.flatnonzero(sizes == size)
        mask = there[chosen]
        part = limits[chosen][mask].reshape(-1, size), cells[chosen][mask].reshape(-1, size)
        found[chosen] = measure(*part, numbers[chosen])
    return found.reshape(height, steps)


def monotonic(counts: Floats) -> tuple[Floats, Bools]:
    """Return counts that never fall, and which rows had to be changed by more than rounding."""
    rising = np.array(counts)
    forced = np.zeros(len(counts), dtype=np.bool_)
    previous = rising[:, 0]
    for column in range(1, counts.shape[1]):
        current = counts[:, column]
        is_rounding = (current != previous) & _almost_equal(previous, current)
        falls = (current < previous) & ~is_rounding
        forced |= falls
        previous = np.where(is_rounding | falls, previous, current)
        rising[:, column] = previous
    return rising, forced


def _almost_equal(left: Floats, right: Floats) -> Bools:
    distance, size = np.abs(left - right), np.abs(left) + np.abs(right)
    is_tiny = (left == 0) | (right == 0) | (size < _SMALLEST_NORMAL)
    return np.where(is_tiny, distance < _TOLERANCE * _SMALLEST_NORMAL, distance < _TOLERANCE * size)


def bucket_quantile(ranks: Floats, bounds: Floats, counts: Floats) -> Floats:
    """Return the quantile of each row, linear in its bucket; NaN without observations or a last bucket."""
    outside = np.select([np.isnan(ranks), ranks < 0, ranks > 1], [np.nan, -np.inf, np.inf], 0.0)
    is_outside = ~((ranks >= 0) & (ranks <= 1))
    width = bounds.shape[1]
    if width < 2:  # noqa: PLR2004  # one bucket, for +Inf, says nothing
        return np.where(is_outside, outside, np.nan)
    rows = np.arange(len(bounds))
    wanted = ranks * counts[:, -1]
    bucket = (counts[:, :-1] < wanted[:, None]).sum(axis=1)
    before = np.maximum(bucket - 1, 0)
    start = np.where(bucket > 0, bounds[rows, before], 0.0)
    passed = np.where(bucket > 0, counts[rows, before], 0.0)
    share = (wanted - passed) / (counts[rows, bucket] - passed)
    found = start + (bounds[rows, bucket] - start) * share
    found = np.where((bucket == 0) & (bounds[:, 0] <= 0), bounds[:, 0], found)
    found = np.where(bucket == width - 1, bounds[:, -2], found)
    is_empty = (counts[:, -1] == 0) | ~np.isposinf(bounds[:, -1])
    return np.where(is_outside, outside, np.where(is_empty, np.nan, found))


def bucket_fraction(lower: Floats, upper: Floats, bounds: Floats, counts: Floats) -> Floats:
    """Return which part of the observations of each row is between two values."""
    total = counts[:, -1]
    part = (_below(upper, bounds, counts) - _below(lower, bounds, counts)) / total
    part = np.where(lower >= upper, 0.0, part)
    is_empty = (total == 0) | np.isnan(lower) | np.isnan(upper) | ~np.isposinf(bounds[:, -1])
    return np.where(is_empty, np.nan, part)


def _below(values: Floats, bounds: Floats, counts: Floats) -> Floats:
    """Return how many observations are below a value: linear in its bucket."""
    rows = np.arange(len(bounds))
    bucket = np.minimum((bounds <= values[:, None]).sum(axis=1), bounds.shape[1] - 1)
    before = np.maximum(bucket - 1, 0)
    lowest = np.where(bounds[:, 0] > 0, 0.0, -np.inf)
    start = np.where(bucket > 0, bounds[rows, before], lowest)
    passed = np.where(bucket > 0, counts[rows, before], 0.0)
    inside = counts[rows, bucket]
    linear = passed + (inside - passed) * (values - start) / (bounds[rows, bucket] - start)
    linear = np.where(np.isneginf(start), inside, linear)
    below = np.where(start >= values, passed, linear)
    below = np.where(np.isposinf(values), counts[:, -1], below)
    return np.minimum(below, counts[:, -1])


def _open_metrics(value: float) -> str:
    if np.isnan(value):
        return "NaN"
    if np.isinf(value):
        return "+Inf" if value > 0 else "-Inf"
    return repr(float(value))
