"""Functions of one value at a time, and of the calendar."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from services.monitoring.promql.values import Floats, Integers

_DAY_SECONDS = 86_400
_LAST_SECOND = 2.0**55
_FIRST_YEAR = 1970
_THURSDAY = 4


def _sign(values: Floats) -> Floats:
    return np.where(values < 0, -1.0, np.where(values > 0, 1.0, values))


OF_VALUES: dict[str, Callable[[Floats], Floats]] = {
    "abs": np.abs,
    "acos": np.arccos,
    "acosh": np.arccosh,
    "asin": np.arcsin,
    "asinh": np.arcsinh,
    "atan": np.arctan,
    "atanh": np.arctanh,
    "ceil": np.ceil,
    "cos": np.cos,
    "cosh": np.cosh,
    "deg": lambda values: values * 180 / np.pi,
    "exp": np.exp,
    "floor": np.floor,
    "ln": np.log,
    "log10": np.log10,
    "log2": np.log2,
    "rad": lambda values: values * np.pi / 180,
    "sgn": _sign,
    "sin": np.sin,
    "sinh": np.sinh,
    "sqrt": np.sqrt,
    "tan": np.tan,
    "tanh": np.tanh,
}


def rounded(values: Floats, nearest: Floats | float = 1.0) -> Floats:
    """Return the nearest multiples; halves are rounded up."""
    inverse = 1.0 / nearest
    nearest_multiples: Floats = np.floor(values * inverse + 0.5) / inverse
    return nearest_multiples


def smaller(left: Floats, right: Floats) -> Floats:
    """Return the smaller; NaN if one is NaN, unless the other is -Inf: Go's `math.Min`."""
    return np.where((left == -np.inf) | (right == -np.inf), -np.inf, np.minimum(left, right))


def larger(left: Floats, right: Floats) -> Floats:
    """Return the larger; NaN if one is NaN, unless the other is +Inf: Go's `math.Max`."""
    return np.where((left == np.inf) | (right == np.inf), np.inf, np.maximum(left, right))


def _days(seconds: Integers) -> NDArray[np.datetime64]:
    return np.floor_divide(seconds, _DAY_SECONDS).astype("datetime64[D]")


def _year(seconds: Integers) -> Integers:
    years: Integers = _days(seconds).astype("datetime64[Y]").astype(np.int64)
    return years + _FIRST_YEAR


def _month(seconds: Integers) -> Integers:
    months: Integers = _days(seconds).astype("datetime64[M]").astype(np.int64)
    return months % 12 + 1


def _day_of_month(seconds: Integers) -> Integers:
    days = _days(seconds)
    passed: Integers = (days - days.astype("datetime64[M]")).astype(np.int64)
    return passed + 1


def _day_of_year(seconds: Integers) -> Integers:
    days = _days(seconds)
    passed: Integers = (days - days.astype("datetime64[Y]")).astype(np.int64)
    return passed + 1


def _days_in_month(seconds: Integers) -> Integers:
    month = _days(seconds).astype("datetime64[M]")
    length: Integers = ((month + 1).astype("datetime64[D]") - month.astype("datetime64[D]")).astype(np.int64)
    return length


OF_MOMENTS: dict[str, Callable[[Integers], Integers]] = {
    "day_of_month": _day_of_month,
    "day_of_week": lambda seconds: (np.floor_divide(seconds, _DAY_SECONDS) + _THURSDAY) % 7,
    "day_of_year": _day_of_year,
    "days_in_month": _days_in_month,
    "hour": lambda seconds: seconds % _DAY_SECONDS // 3600,
    "minute": lambda seconds: seconds % 3600 // 60,
    "month": _month,
    "year": _year,
}


def calendar(function: str, seconds: Floats) -> Floats:
    """Return a part of the date in UTC. What is no moment of the calendar has none: NaN."""
    is_moment = np.abs(seconds) < _LAST_SECOND
    whole = np.where(is_moment, seconds, 0.0).astype(np.int64)
    return np.where(is_moment, OF_MOMENTS[function](whole), np.nan)
