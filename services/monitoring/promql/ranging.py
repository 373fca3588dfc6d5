"""Functions of range vectors: one number for the samples of each window."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from services.monitoring.promql import extremes, quantiles, rates, sums, trends
from services.monitoring.promql.blocks import Block, blocks_of, compacted
from services.monitoring.promql.context import Context
from services.monitoring.promql.errors import LimitExceeded
from services.monitoring.promql.labels import METRIC_NAME, Labels
from services.monitoring.promql.syntax import Range, Subquery
from services.monitoring.promql.values import Bools, Floats, Frame, Integers
from services.monitoring.promql.windows import windows_of

Kernel = Callable[..., Floats]
Evaluate = Callable[[Subquery, Integers], Frame]
_COUNTER_SUFFIXES = ("_total", "_sum", "_count", "_bucket")
_COUNTER_FUNCTIONS = frozenset({"rate", "increase"})
_KEEP_NAMES = frozenset({"first_over_time", "last_over_time"})
_NEED_TWO = frozenset(
    {"rate", "increase", "delta", "irate", "idelta", "deriv", "predict_linear"}
    | {"double_exponential_smoothing", "holt_winters"}
)
_LOOK_AT_EACH = frozenset(
    {"deriv", "predict_linear", "double_exponential_smoothing", "holt_winters", "stddev_over_time"}
    | {
        "stdvar_over_time",
        "quantile_over_time",
        "mad_over_time",
        "ts_of_min_over_time",
        "ts_of_max_over_time",
    }
)
"""Functions that read the samples of each window anew, however much the windows overlap."""


@dataclass(frozen=True, slots=True)
class RangeVector:
    """Samples of series over time, and the windows to look at them through."""

    labels: Sequence[Labels]
    nameless: Bools | None
    blocks: Iterator[Block]
    ends: Integers
    range_ms: int


KERNELS: dict[str, Kernel] = {
    "avg_over_time": sums.avg_over_time,
    "changes": rates.changes,
    "count_over_time": lambda windows: windows.counts.astype(np.float64),
    "delta": rates.delta,
    "deriv": trends.deriv,
    "double_exponential_smoothing": trends.double_exponential_smoothing,
    "first_over_time": lambda windows: windows.first(windows.block.values),
    "holt_winters": trends.double_exponential_smoothing,
    "idelta": rates.idelta,
    "increase": rates.increase,
    "irate": rates.irate,
    "last_over_time": lambda windows: windows.last(windows.block.values),
    "mad_over_time": quantiles.mad_over_time,
    "max_over_time": extremes.max_over_time,
    "min_over_time": extremes.min_over_time,
    "predict_linear": trends.predict_linear,
    "present_over_time": lambda windows: np.ones_like(windows.counts, dtype=np.float64),
    "quantile_over_time": quantiles.quantile_over_time,
    "rate": rates.rate,
    "resets": rates.resets,
    "stddev_over_time": sums.stddev_over_time,
    "stdvar_over_time": sums.stdvar_over_time,
    "sum_over_time": sums.sum_over_time,
    "ts_of_first_over_time": lambda windows: windows.first(windows.block.times) / 1000,
    "ts_of_last_over_time": lambda windows: windows.last(windows.block.times) / 1000,
    "ts_of_max_over_time": extremes.ts_of_max_over_time,
    "ts_of_min_over_time": extremes.ts_of_min_over_time,
}
"""Each takes windows, then the function's scalars with a value for each step."""


def stored(context: Context, node: Range, times: Integers) -> RangeVector:
    """Return the samples of a selector."""
    ends = context.shifted(node.selector.shift, times)
    start, end = context.reach(ends, node.range_ms)
    selection = context.select(node.selector, start, end)
    labels = [series.labels for series in selection]
    return RangeVector(labels, None, blocks_of(selection, start, end), ends, node.range_ms)


def moments(context: Context, node: Subquery, times: Integers) -> Integers:
    """Return the multiples of a subquery's step that windows ending at those times look at.

    Raises:
        LimitExceeded: There are too many of them.
    """
    start, end = context.reach(context.shifted(node.shift, times), node.range_ms)
    step = node.step_ms or context.dialect.subquery_step_ms
    start = -(-start // step) * step
    count = max(0, (end - start) // step + 1)
    if count > context.budget.limits.subquery_steps:
        raise LimitExceeded(f"subquery has {count} steps, more than {context.budget.limits.subquery_steps}")
    return np.arange(count, dtype=np.int64) * step + start


def evaluated(context: Context, node: Subquery, times: Integers, evaluate: Evaluate) -> RangeVector:
    """Return the values of an expression at the steps of a subquery."""
    at = moments(context, node, times)
    ends = context.shifted(node.shift, times)
    if not len(at):
        return RangeVector([], None, iter(()), ends, node.range_ms)
    frame = evaluate(node, at)
    return RangeVector(
        frame.labels, frame.nameless, compacted(at, frame.values, frame.present), ends, node.range_ms
    )


def over_time(context: Context, function: str, vector: RangeVector, scalars: Sequence[Floats]) -> Frame:
    """Return what a function makes of each window."""
    context.budget.hold(len(vector.labels) * len(vector.ends))
    shape = len(vector.labels), len(vector.ends)
    values, present = np.zeros(shape), np.zeros(shape, dtype=np.bool_)
    kernel = KERNELS[function]
    least = 2 if function in _NEED_TWO else 1
    options = {}
    if function in _COUNTER_FUNCTIONS:
        options["zero_limit_last"] = context.dialect.zero_limit_last
    for block in vector.blocks:
        windows = windows_of(context, block, vector.ends, vector.range_ms)
        if function in _LOOK_AT_EACH:
            context.budget.scan(int(windows.counts.sum()) * len(block.rows) // len(windows.counts))
        values[block.rows] = kernel(windows, *scalars, **options)
        present[block.rows] = windows.counts >= least
    frame = Frame(vector.labels, values, None if present.all() else present, vector.nameless)
    frame = frame.without_empty_rows()
    if function in _COUNTER_FUNCTIONS:
        _note_gauges(context, frame.labels)
    return frame if function in _KEEP_NAMES else context.unnamed(frame)


def presence(context: Context, vector: RangeVector) -> Bools:
    """Tell at which steps any series has a sample."""
    found = np.zeros(len(vector.ends), dtype=np.bool_)
    for block in vector.blocks:
        windows = windows_of(context, block, vector.ends, vector.range_ms)
        found |= (windows.counts > 0).any(axis=0)
    return found


def _note_gauges(context: Context, labels: Sequence[Labels]) -> None:
    for name in {each.get(METRIC_NAME, "") for each in labels}:
        if name and not name.endswith(_COUNTER_SUFFIXES):
            context.notes.inform(
                f'metric might not be a counter, name does not end in {"/".join(_COUNTER_SUFFIXES)}: "{name}"'
            )
