"""Operators on numbers, and between a vector and a scalar."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from services.monitoring.promql.context import Context
from services.monitoring.promql.syntax import Binary
from services.monitoring.promql.values import Floats, Frame, Scalar

ARITHMETIC: dict[str, Callable[[Floats, Floats], Floats]] = {
    "+": np.add,
    "-": np.subtract,
    "*": np.multiply,
    "/": np.divide,
    "%": np.fmod,
    "^": np.power,
    "atan2": np.arctan2,
}
COMPARISONS: dict[str, np.ufunc] = {
    "==": np.equal,
    "!=": np.not_equal,
    "<": np.less,
    "<=": np.less_equal,
    ">": np.greater,
    ">=": np.greater_equal,
}


def between_scalars(operator: str, left: Scalar, right: Scalar) -> Scalar:
    """Return the result at each step; a comparison is 1 or 0."""
    if operator in ARITHMETIC:
        return Scalar(ARITHMETIC[operator](left.values, right.values))
    holds = COMPARISONS[operator](left.values, right.values)
    return Scalar(holds.astype(np.float64))


def with_scalar(context: Context, node: Binary, vector: Frame, scalar: Scalar, *, swapped: bool) -> Frame:
    """Return the result for each series of a vector, which is on the right if `swapped`."""
    left, right = (scalar.values, vector.values) if swapped else (vector.values, scalar.values)
    if node.operator in ARITHMETIC:
        return context.unnamed(vector.with_values(ARITHMETIC[node.operator](left, right)))
    holds = COMPARISONS[node.operator](left, right)
    if node.returns_bool:
        return context.unnamed(vector.with_values(holds.astype(np.float64)))
    return vector.where(holds).without_empty_rows()


def negated(context: Context, vector: Frame) -> Frame:
    """Return a vector times minus one."""
    return context.unnamed(vector.with_values(-vector.values))
