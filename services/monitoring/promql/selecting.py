"""Instant vectors: the newest sample of each series at each step."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from services.monitoring.promql.blocks import blocks_of, groups_of, is_stale
from services.monitoring.promql.context import Context
from services.monitoring.promql.source import Series
from services.monitoring.promql.syntax import Selector
from services.monitoring.promql.values import Bools, Floats, Frame, Integers
from services.monitoring.promql.windows import windows_of


def instant_vector(context: Context, selector: Selector, times: Integers) -> Frame:
    """Return the newest values within the lookback; a stale marker ends a series."""
    frame, _ = _newest(context, selector, times)
    return frame


def sample_times(context: Context, selector: Selector, times: Integers) -> Frame:
    """Return when the newest samples were taken, in seconds."""
    frame, moments = _newest(context, selector, times)
    return frame.with_values(moments / 1000)


def _newest(context: Context, selector: Selector, times: Integers) -> tuple[Frame, Integers]:
    moments = context.shifted(selector.shift, times)
    lookback = context.dialect.lookback_ms
    start, end = context.reach(moments, lookback)
    selection = context.select(selector, start, end)
    context.budget.hold(len(selection) * len(times))
    if len(moments) == 1:
        values, taken, present = _at_one_moment(selection, start, end)
    else:
        values, taken, present = _at_moments(context, selection, moments, (start, end))
    present &= ~is_stale(values)
    labels = [series.labels for series in selection]
    if present.all():
        return Frame(labels, values), taken
    filled = np.flatnonzero(present.any(axis=1))
    return Frame(labels, values, present).take(filled), taken[filled]


def _at_one_moment(selection: Sequence[Series], start: int, end: int) -> tuple[Floats, Integers, Bools]:
    values, taken = np.zeros(len(selection)), np.full(len(selection), start - 1)
    for group in groups_of(selection):
        index = int(np.searchsorted(group.timestamps, end, side="right")) - 1
        if index >= 0 and group.timestamps[index] >= start:
            values[group.rows] = [selection[row].values[index] for row in group.rows]
            taken[group.rows] = group.timestamps[index]
    return values[:, None], taken[:, None], (taken >= start)[:, None]


def _at_moments(
    context: Context, selection: Sequence[Series], moments: Integers, reach: tuple[int, int]
) -> tuple[Floats, Integers, Bools]:
    shape = len(selection), len(moments)
    values, taken, present = np.zeros(shape), np.zeros(shape, dtype=np.int64), np.zeros(shape, dtype=np.bool_)
    for block in blocks_of(selection, *reach, keep_stale=True):
        windows = windows_of(context, block, moments, context.dialect.lookback_ms)
        values[block.rows] = windows.last(block.values)
        taken[block.rows] = windows.last(block.times)
        present[block.rows] = windows.counts > 0
    return values, taken, present
