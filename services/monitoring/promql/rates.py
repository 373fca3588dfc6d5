"""Functions of how a counter or a gauge moved: rate() and its kin.

A counter that falls has been reset: it is taken to have started again at zero.
"""

from __future__ import annotations

import numpy as np

from services.monitoring.promql.values import Bools, Floats
from services.monitoring.promql.windows import Windows, fold, slide

THRESHOLD = 1.1
"""A window's edge within this many gaps between samples is taken to be covered by the series."""


def rate(windows: Windows, *, zero_limit_last: bool) -> Floats:
    """Return the increase per second."""
    change = _counted(windows)
    return change * (_stretch(windows, change, zero_limit_last=zero_limit_last) / (windows.range_ms / 1000))


def increase(windows: Windows, *, zero_limit_last: bool) -> Floats:
    """Return by how much a counter grew, extrapolated to the whole window."""
    change = _counted(windows)
    return change * _stretch(windows, change, zero_limit_last=zero_limit_last)


def delta(windows: Windows) -> Floats:
    """Return by how much a gauge changed, extrapolated to the whole window."""
    values = windows.block.values
    change = windows.last(values) - windows.first(values)
    return change * _stretch(windows, change, zero_limit_last=None)


def irate(windows: Windows) -> Floats:
    """Return the increase per second between the newest two samples."""
    values, times = windows.block.values, windows.block.times
    last, previous = windows.last(values), windows.pick(values, windows.hi - 2)
    seconds = (windows.last(times) - windows.pick(times, windows.hi - 2)) / 1000
    return np.where(last < previous, last, last - previous) / seconds


def idelta(windows: Windows) -> Floats:
    """Return the difference between the newest two samples."""
    values = windows.block.values
    return windows.last(values) - windows.pick(values, windows.hi - 2)


def resets(windows: Windows) -> Floats:
    """Return how often the value fell."""
    values = windows.block.values
    return _occurrences(windows, values[:, 1:] < values[:, :-1])


def changes(windows: Windows) -> Floats:
    """Return how often the value became another; from NaN to NaN is no change."""
    old, new = windows.block.values[:, :-1], windows.block.values[:, 1:]
    return _occurrences(windows, (old != new) & ~(np.isnan(old) & np.isnan(new)))


def _occurrences(windows: Windows, moved: Bools) -> Floats:
    """Return how many samples of each window but its oldest moved from the one before."""
    sums = np.zeros((len(moved), moved.shape[1] + 2), dtype=np.int64)
    np.cumsum(moved, axis=1, out=sums[:, 2:])
    counted = slide(windows, sums, skip=1)
    return counted.astype(np.float64)


def _counted(windows: Windows) -> Floats:
    """Return by how much a counter grew between the oldest and the newest sample of each window."""
    values = windows.block.values
    grown = np.array(windows.last(values) - windows.first(values))
    fell = values[:, 1:] < values[:, :-1]
    rows = np.flatnonzero(np.logical_or.reduce(fell, axis=1))
    if len(rows):
        lost = np.zeros((len(rows), values.shape[1]))
        lost[:, 1:] = np.where(fell[rows], values[rows, :-1], 0.0)
        few = windows.take(rows)
        several = few.hi - few.lo > 1
        grown[rows] += np.where(several, fold(np.add, few, lost, skip=1), 0.0)
    return grown


def _stretch(windows: Windows, change: Floats, *, zero_limit_last: bool | None) -> Floats:
    """Return by what to multiply a change between samples, to have that of the whole window.

    As Prometheus does (`extrapolatedRate`): up to an edge of the window that is nearer than
    1.1 mean gaps, else by half a gap; and for counters (`zero_limit_last` is not `None`) not beyond
    the point at which the counter would have been zero.
    """
    first_ms, last_ms = windows.first(windows.block.times), windows.last(windows.block.times)
    sampled = (last_ms - first_ms) / 1000
    gap = sampled / (windows.counts - 1)
    to_start = (first_ms - (windows.ends - windows.range_ms)) / 1000
    to_end = _to_edge((windows.ends - last_ms) / 1000, gap)
    if zero_limit_last is False:
        to_start = _not_below_zero(windows, change, sampled, to_start)
    to_start = _to_edge(to_start, gap)
    if zero_limit_last:
        to_start = _not_below_zero(windows, change, sampled, to_start)
    stretch: Floats = (sampled + to_start + to_end) / sampled
    return stretch


def _to_edge(distance: Floats, gap: Floats) -> Floats:
    return np.where(distance >= gap * THRESHOLD, gap / 2, distance)


def _not_below_zero(windows: Windows, change: Floats, sampled: Floats, to_start: Floats) -> Floats:
    oldest = windows.first(windows.block.values)
    to_zero = sampled * (oldest / change)
    return np.where((change > 0) & (oldest >= 0) & (to_zero < to_start), to_zero, to_start)
