"""What parts of a query evaluate to, for all steps at once.

A vector over time is a matrix with a row for each series and a column for each step. A
NaN is a value like any other, so which values there are is a matrix of its own.
"""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from dataclasses import dataclass, replace
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from services.monitoring.promql.errors import EvaluationError
from services.monitoring.promql.labels import METRIC_NAME, Labels

Floats = NDArray[np.float64]
Bools = NDArray[np.bool_]
Integers = NDArray[np.int64]
Indexes = NDArray[np.intp]

Key = TypeVar("Key", bound=Hashable)
T = TypeVar("T", np.float64, np.intp, np.bool_)

SAME_LABELS = "vector cannot contain metrics with the same labelset"


@dataclass(frozen=True, slots=True)
class Scalar:
    """A number at each step."""

    values: Floats


@dataclass(frozen=True, slots=True)
class String:
    """A string, the same at each step."""

    value: str


@dataclass(frozen=True, slots=True)
class Frame:
    """A vector at each step: row i is the series with `labels[i]`.

    Where names are removed late, two rows may have equal labels once they are.
    """

    labels: Sequence[Labels]
    values: Floats
    present: Bools | None = None
    """Where there is a value; `None` is everywhere."""
    nameless: Bools | None = None
    """Rows that lose their metric name when the query ends; `None` is no row."""

    @property
    def steps(self) -> int:
        """How many steps."""
        return int(self.values.shape[1])

    def mask(self) -> Bools:
        """Return where there is a value."""
        return np.ones(self.values.shape, dtype=np.bool_) if self.present is None else self.present

    def flags(self) -> Bools:
        """Return which rows lose their name when the query ends."""
        return np.zeros(len(self.labels), dtype=np.bool_) if self.nameless is None else self.nameless

    def take(self, rows: Indexes | Bools) -> Frame:
        """Return some of the rows."""
        chosen = np.flatnonzero(rows) if rows.dtype == np.bool_ else rows
        return Frame(
            [self.labels[row] for row in chosen.tolist()],
            self.values[chosen],
            None if self.present is None else self.present[chosen],
            None if self.nameless is None else self.nameless[chosen],
        )

    def where(self, keep: Bools) -> Frame:
        """Return this without the values that are not to be kept."""
        return replace(self, present=keep if self.present is None else self.present & keep)

    def without_empty_rows(self) -> Frame:
        """Return the rows that have a value at some step."""
        if self.present is None:
            return self
        filled: Bools = np.logical_or.reduce(self.present, axis=1)
        return self if bool(filled.all()) else self.take(filled)

    def broadcast(self, steps: int) -> Frame:
        """Return the one step of this frame, repeated."""
        shape = (len(self.labels), steps)
        present = None if self.present is None else np.broadcast_to(self.present, shape)
        return replace(self, values=np.broadcast_to(self.values, shape), present=present)

    def with_values(self, values: Floats) -> Frame:
        """Return the same rows with other values."""
        return replace(self, values=values)


def unnamed(frame: Frame, *, late: bool) -> Frame:
    """Return a frame whose series lose their metric name, now or when the query ends.

    Raises:
        EvaluationError: Two series cannot be told apart without it.
    """
    if late:
        return replace(frame, nameless=np.ones(len(frame.labels), dtype=np.bool_))
    names = {labels.get(METRIC_NAME) for labels in frame.labels}
    nameless = replace(frame, labels=[labels.nameless for labels in frame.labels])
    return nameless if len(names) <= 1 else merged(nameless)


def settled(frame: Frame) -> Frame:
    """Return a frame after the removal of the names that were to go at the end."""
    if frame.nameless is None or not frame.nameless.any():
        return frame
    flagged = zip(frame.labels, frame.nameless.tolist(), strict=True)
    labels = [each.nameless if lost else each for each, lost in flagged]
    return merged(replace(frame, labels=labels, nameless=None))


def merged(frame: Frame) -> Frame:
    """Return a frame in which rows with equal labels, at steps apart, are one row.

    Raises:
        EvaluationError: Two of them have a value at the same step.
    """
    groups, labels = group_by(frame.labels)
    if len(labels) == len(frame.labels):
        return frame
    present = frame.mask()
    if (fold_rows(np.add, present.astype(np.intp), groups, len(labels)) > 1).any():
        raise EvaluationError(SAME_LABELS)
    values = np.zeros((len(labels), frame.steps))
    found = np.zeros(values.shape, dtype=np.bool_)
    rows, steps = np.nonzero(present)
    values[groups[rows], steps] = frame.values[rows, steps]
    found[groups[rows], steps] = True
    flags = None
    if frame.nameless is not None:
        flags = fold_rows(np.logical_or, frame.nameless[:, None], groups, len(labels))[:, 0]
    return Frame(labels, values, found, flags)


def group_by(keys: Sequence[Key]) -> tuple[Indexes, list[Key]]:
    """Return for each key the number of its group, and the groups' keys in order of first appearance."""
    numbers: dict[Key, int] = {}
    groups = [numbers.setdefault(key, len(numbers)) for key in keys]
    return np.array(groups, dtype=np.intp), list(numbers)


def fold_rows(ufunc: np.ufunc, matrix: NDArray[T], groups: Indexes, count: int) -> NDArray[T]:
    """Return ufunc folded over the rows of each group; zeros for a group without rows."""
    folded = np.zeros((count, matrix.shape[1]), dtype=matrix.dtype)
    if not len(groups):
        return folded
    if count == 1:
        return ufunc.reduce(matrix, axis=0, keepdims=True).astype(matrix.dtype, copy=False)  # type: ignore[no-any-return]
    order = np.argsort(groups, kind="stable")
    ordered = groups[order]
    starts = np.flatnonzero(np.diff(ordered, prepend=-1))
    folded[ordered[starts]] = ufunc.reduceat(matrix[order], starts, axis=0)
    return folded
