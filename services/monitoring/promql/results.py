"""What a query answers."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from services.monitoring.promql.labels import Labels
from services.monitoring.promql.notes import Note
from services.monitoring.promql.source import Series
from services.monitoring.promql.values import Floats, Frame, Integers


@dataclass(frozen=True, slots=True)
class ScalarResult:
    """A number at a time."""

    time_ms: int
    value: float


@dataclass(frozen=True, slots=True)
class StringResult:
    """A string at a time."""

    time_ms: int
    value: str


@dataclass(frozen=True, slots=True)
class VectorResult:
    """Series with one value each, all at the same time; in no order but what the query asks for."""

    time_ms: int
    labels: Sequence[Labels]
    values: Floats


@dataclass(frozen=True, slots=True)
class MatrixResult:
    """Series over time, sorted by their labels."""

    series: Sequence[Series]


@dataclass(frozen=True, slots=True)
class Result:
    """An answer, and what there is to say about it."""

    value: ScalarResult | StringResult | VectorResult | MatrixResult
    notes: tuple[Note, ...] = ()


def vector_of(frame: Frame, time_ms: int) -> VectorResult:
    """Return the one step of a frame."""
    filled = frame.without_empty_rows()
    return VectorResult(time_ms, filled.labels, filled.values[:, 0])


def matrix_of(frame: Frame, times: Integers) -> MatrixResult:
    """Return all steps of a frame. Series without gaps share their timestamps."""
    filled = frame.without_empty_rows()
    rows: list[Series] = []
    present = filled.mask()
    whole: list[bool] = np.logical_and.reduce(present, axis=1).tolist()
    for row, labels in enumerate(filled.labels):
        if whole[row]:
            rows.append(Series(labels, times, filled.values[row]))
        else:
            there = np.flatnonzero(present[row])
            rows.append(Series(labels, times[there], filled.values[row, there]))
    return MatrixResult(sorted(rows, key=lambda series: tuple(series.labels.items())))
