"""The engine: parses a query once, evaluates it as often as one likes, against any source.

An engine holds no state but its settings: one serves any number of threads.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from services.monitoring.promql import ranging
from services.monitoring.promql.blocks import is_stale
from services.monitoring.promql.context import Context
from services.monitoring.promql.errors import BadRange, ParseError, Unsupported
from services.monitoring.promql.evaluation import SUPPORTED, Evaluation
from services.monitoring.promql.functions import Value
from services.monitoring.promql.labels import Labels
from services.monitoring.promql.limits import PROMETHEUS_3, Budget, Cancellation, Dialect, Limits
from services.monitoring.promql.matchers import Matcher
from services.monitoring.promql.parsing import parse
from services.monitoring.promql.results import (
    MatrixResult,
    Result,
    ScalarResult,
    StringResult,
    matrix_of,
    vector_of,
)
from services.monitoring.promql.source import Series, SeriesSource
from services.monitoring.promql.syntax import (
    Call,
    Node,
    Range,
    Selector,
    Shift,
    Subquery,
    ValueKind,
    kind_of,
    walk,
)
from services.monitoring.promql.values import Frame, Integers, Scalar, settled

_LATEST_MS = 2**60


@dataclass(frozen=True, slots=True)
class Query:
    """A query that is known to be valid."""

    text: str
    root: Node

    @property
    def kind(self) -> ValueKind:
        """The type of its result at one time."""
        return kind_of(self.root)


class Engine:
    """Evaluates PromQL within limits, by the rules of a dialect."""

    def __init__(self, limits: Limits = Limits(), dialect: Dialect = PROMETHEUS_3) -> None:  # noqa: B008  # frozen
        self._limits = limits
        self._dialect = dialect

    def parse(self, text: str) -> Query:
        """Return a query to evaluate.

        Raises:
            ParseError: It is not PromQL.
            Unsupported: It asks for what this engine does not have.
            LimitExceeded: It is too long, too deep or has too many operators.
        """
        root = parse(text, self._limits)
        for node in walk(root):
            if isinstance(node, Call) and node.function not in SUPPORTED:
                raise Unsupported(f"{node.function}() is not supported by this engine")
        return Query(text, root)

    def selector(self, text: str) -> tuple[Matcher, ...]:
        """Return the matchers of a series selector, as APIs that list series take them.

        Raises:
            ParseError: It is not PromQL, or more than a selector.
            LimitExceeded: It is too long.
        """
        root = parse(text, self._limits)
        if not isinstance(root, Selector) or root.shift != Shift():
            raise ParseError(f"not a series selector: {text}")
        return root.matchers

    def instant(
        self, query: Query, source: SeriesSource, time_ms: int, cancellation: Cancellation | None = None
    ) -> Result:
        """Return the result at one time.

        Raises:
            EvaluationError: The data do not allow it.
            LimitExceeded: It needs too much.
            Cancelled: It was stopped.
        """
        _check_times(time_ms)
        times = np.array([time_ms], dtype=np.int64)
        context = self._context(source, (time_ms, time_ms, 0), cancellation)
        if isinstance(query.root, Range):
            return Result(_samples(context, query.root, times))
        if isinstance(query.root, Subquery):
            return Result(_subquery(context, query.root, times), context.notes.all())
        value = _evaluated(context, query.root, times)
        match value:
            case Scalar(values=values):
                return Result(ScalarResult(time_ms, float(values[0])), context.notes.all())
            case Frame():
                return Result(vector_of(value, time_ms), context.notes.all())
            case string:
                return Result(StringResult(time_ms, string.value))

    def range(  # a range is three numbers
        self,
        query: Query,
        source: SeriesSource,
        start_ms: int,
        end_ms: int,
        step_ms: int,
        cancellation: Cancellation | None = None,
    ) -> Result:
        """Return the results at each step from start to end, as a matrix.

        Raises:
            BadRange: The span or the step is not usable, or the query is not one for a range.
            EvaluationError: The data do not allow it.
            LimitExceeded: It needs too much.
            Cancelled: It was stopped.
        """
        _check_times(start_ms, end_ms)
        self._check_range(query, start_ms, end_ms, step_ms)
        times = np.arange(start_ms, end_ms + 1, step_ms, dtype=np.int64)
        context = self._context(source, (start_ms, end_ms, step_ms), cancellation)
        value = _evaluated(context, query.root, times)
        if isinstance(value, Scalar):
            value = Frame([Labels()], value.values[None, :])
        if not isinstance(value, Frame):
            raise BadRange("invalid expression type")
        return Result(matrix_of(value, times), context.notes.all())

    def _check_range(self, query: Query, start_ms: int, end_ms: int, step_ms: int) -> None:
        if query.kind not in {"scalar", "vector"}:
            name = {"matrix": "range vector", "string": "string"}[query.kind]
            raise BadRange(
                f'invalid expression type "{name}" for range query, must be Scalar or instant Vector'
            )
        if step_ms <= 0:
            raise BadRange(
                "zero or negative query resolution step widths are not accepted. Try a positive integer"
            )
        if end_ms < start_ms:
            raise BadRange("end timestamp must not be before start time")
        if (end_ms - start_ms) // step_ms + 1 > self._limits.steps:
            raise BadRange(
                f"exceeded maximum resolution of {self._limits.steps:,} points per timeseries. "
                "Try decreasing the query resolution (?step=XX)"
            )

    def _context(
        self, source: SeriesSource, span: tuple[int, int, int], cancellation: Cancellation | None
    ) -> Context:
        budget = Budget(self._limits, cancellation or Cancellation())
        return Context(source, self._dialect, budget, *span)


def _evaluated(context: Context, node: Node, times: Integers) -> Value:
    """Return a value at all times. What numpy would warn of are values like any other: NaN and infinities."""
    with np.errstate(all="ignore"):
        value = Evaluation(context).value(node, times)
        return settled(value) if isinstance(value, Frame) else value


def _samples(context: Context, node: Range, times: Integers) -> MatrixResult:
    """Return the stored samples of a range, as they are."""
    ends = context.shifted(node.selector.shift, times)
    start, end = context.reach(ends, node.range_ms)
    found: list[Series] = []
    for series in context.select(node.selector, start, end):
        inside = (series.timestamps >= start) & (series.timestamps <= end) & ~is_stale(series.values)
        context.budget.hold(int(inside.sum()))
        if inside.any():
            found.append(Series(series.labels, series.timestamps[inside], series.values[inside]))
    return MatrixResult(sorted(found, key=lambda series: tuple(series.labels.items())))


def _subquery(context: Context, node: Subquery, times: Integers) -> MatrixResult:
    """Return the values at the steps of a subquery."""
    moments = ranging.moments(context, node, times)
    value = _evaluated(context, node.expression, moments) if len(moments) else Frame([], np.zeros((0, 0)))
    if not isinstance(value, Frame):
        raise TypeError("a subquery of what is not a vector")
    return matrix_of(value, moments)


def _check_times(*times: int) -> None:
    if any(abs(time) > _LATEST_MS for time in times):
        raise BadRange("time is out of range")
