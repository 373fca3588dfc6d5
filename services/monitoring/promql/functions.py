"""Functions that take values which have been evaluated already: all but those of range vectors."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from services.monitoring.promql import histograms, labelling
from services.monitoring.promql.context import Context
from services.monitoring.promql.elementwise import OF_MOMENTS, OF_VALUES, calendar, larger, rounded, smaller
from services.monitoring.promql.labels import Labels
from services.monitoring.promql.syntax import Call
from services.monitoring.promql.values import Bools, Floats, Frame, Integers, Scalar, String

Value = Scalar | String | Frame


class Arguments:
    """The evaluated arguments of one call, by position. The parser has checked their types."""

    def __init__(self, context: Context, call: Call, values: Sequence[Value], times: Integers) -> None:
        self.context = context
        self.call = call
        self.times = times
        self._values = values

    def __len__(self) -> int:
        return len(self._values)

    def vector(self, position: int) -> Frame:
        """Return an instant vector."""
        value = self._values[position]
        if not isinstance(value, Frame):
            raise TypeError(f"argument {position} of {self.call.function}() is not a vector")
        return value

    def scalar(self, position: int) -> Floats:
        """Return a number for each step."""
        value = self._values[position]
        if not isinstance(value, Scalar):
            raise TypeError(f"argument {position} of {self.call.function}() is not a scalar")
        return value.values

    def string(self, position: int) -> str:
        """Return a string."""
        value = self._values[position]
        if not isinstance(value, String):
            raise TypeError(f"argument {position} of {self.call.function}() is not a string")
        return value.value

    def strings(self, position: int) -> list[str]:
        """Return all strings from a position on."""
        return [self.string(each) for each in range(position, len(self))]

    def constant(self, value: float) -> Scalar:
        """Return a scalar that is the same at each step."""
        return Scalar(np.full(len(self.times), value))


def _of_values(arguments: Arguments) -> Frame:
    frame = arguments.vector(0)
    values = OF_VALUES[arguments.call.function](frame.values)
    return arguments.context.unnamed(frame.with_values(values))


def _calendar(arguments: Arguments) -> Frame:
    function = arguments.call.function
    if not len(arguments):
        return Frame([Labels()], calendar(function, arguments.times / 1000)[None, :])
    frame = arguments.vector(0)
    return arguments.context.unnamed(frame.with_values(calendar(function, frame.values)))


def _round(arguments: Arguments) -> Frame:
    frame = arguments.vector(0)
    nearest = arguments.scalar(1) if len(arguments) > 1 else 1.0
    return arguments.context.unnamed(frame.with_values(rounded(frame.values, nearest)))


def _clamped(arguments: Arguments, least: Floats, most: Floats) -> Frame:
    frame = arguments.vector(0)
    values = larger(least, smaller(most, frame.values))
    possible = np.broadcast_to(~(most < least), values.shape)
    clamped = frame.with_values(values)
    return arguments.context.unnamed(
        clamped if possible.all() else clamped.where(possible).without_empty_rows()
    )


def _scalar(arguments: Arguments) -> Scalar:
    frame = arguments.vector(0)
    present = frame.mask()
    total = np.where(present, frame.values, 0.0).sum(axis=0)
    return Scalar(np.where(present.sum(axis=0) == 1, total, np.nan))


def _timestamp(arguments: Arguments) -> Frame:
    frame = arguments.vector(0)
    moments = np.broadcast_to(arguments.times / 1000, frame.values.shape)
    return arguments.context.unnamed(frame.with_values(moments))


def _absent(arguments: Arguments) -> Frame:
    present: Bools = np.logical_or.reduce(arguments.vector(0).mask(), axis=0)
    return labelling.absent(arguments.call.arguments[0], present)


def _label_replace(arguments: Arguments) -> Frame:
    target, replacement, source, pattern = arguments.strings(1)
    return labelling.label_replace(arguments.vector(0), target, replacement, source, pattern)


def _label_join(arguments: Arguments) -> Frame:
    target, separator, *sources = arguments.strings(1)
    return labelling.label_join(arguments.vector(0), target, separator, sources)


def _histogram_quantile(arguments: Arguments) -> Frame:
    return histograms.histogram_quantile(arguments.context, arguments.vector(1), arguments.scalar(0))


def _histogram_quantiles(arguments: Arguments) -> Frame:
    ranks = [arguments.scalar(position) for position in range(2, len(arguments))]
    return histograms.histogram_quantiles(arguments.context, arguments.vector(0), arguments.string(1), ranks)


def _histogram_fraction(arguments: Arguments) -> Frame:
    lower, upper = arguments.scalar(0), arguments.scalar(1)
    return histograms.histogram_fraction(arguments.context, arguments.vector(2), lower, upper)


_INFINITE = np.full(1, np.inf)

FUNCTIONS: dict[str, Callable[[Arguments], Value]] = {
    **dict.fromkeys(OF_VALUES, _of_values),
    **dict.fromkeys(OF_MOMENTS, _calendar),
    "absent": _absent,
    "clamp": lambda arguments: _clamped(arguments, arguments.scalar(1), arguments.scalar(2)),
    "clamp_max": lambda arguments: _clamped(arguments, -_INFINITE, arguments.scalar(1)),
    "clamp_min": lambda arguments: _clamped(arguments, arguments.scalar(1), _INFINITE),
    "end": lambda arguments: arguments.constant(arguments.context.end_ms / 1000),
    "histogram_fraction": _histogram_fraction,
    "histogram_quantile": _histogram_quantile,
    "histogram_quantiles": _histogram_quantiles,
    "label_join": _label_join,
    "label_replace": _label_replace,
    "max_of": lambda arguments: Scalar(larger(arguments.scalar(0), arguments.scalar(1))),
    "min_of": lambda arguments: Scalar(smaller(arguments.scalar(0), arguments.scalar(1))),
    "pi": lambda arguments: arguments.constant(np.pi),
    "range": lambda arguments: arguments.constant(
        (arguments.context.end_ms - arguments.context.start_ms) / 1000
    ),
    "round": _round,
    "scalar": _scalar,
    "sort": lambda arguments: labelling.sort(arguments.vector(0), descending=False),
    "sort_by_label": lambda arguments: labelling.sort_by_label(
        arguments.vector(0), arguments.strings(1), descending=False
    ),
    "sort_by_label_desc": lambda arguments: labelling.sort_by_label(
        arguments.vector(0), arguments.strings(1), descending=True
    ),
    "sort_desc": lambda arguments: labelling.sort(arguments.vector(0), descending=True),
    "start": lambda arguments: arguments.constant(arguments.context.start_ms / 1000),
    "step": lambda arguments: arguments.constant(arguments.context.step_ms / 1000),
    "time": lambda arguments: Scalar(arguments.times / 1000),
    "timestamp": _timestamp,
    "vector": lambda arguments: Frame([Labels()], arguments.scalar(0)[None, :]),
}
