"""Aggregations that choose among the series of a group, and count_values."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Callable
from decimal import Decimal

import numpy as np

from services.monitoring.promql.context import Context
from services.monitoring.promql.errors import EvaluationError
from services.monitoring.promql.grouping import Groups, groups_of
from services.monitoring.promql.labels import Labels
from services.monitoring.promql.syntax import Grouping
from services.monitoring.promql.values import Floats, Frame, Indexes, group_by

_LARGEST_COUNT = 2**63 - 1024


def topk(context: Context, groups: Groups, frame: Frame, limits: Floats) -> Frame:
    """Return the series with the largest values of each group, `limits` of them at each step."""
    return _extremes(context, groups, frame, limits, sign=1.0)


def bottomk(context: Context, groups: Groups, frame: Frame, limits: Floats) -> Frame:
    """Return the series with the smallest values of each group."""
    return _extremes(context, groups, frame, limits, sign=-1.0)


def limitk(context: Context, groups: Groups, frame: Frame, limits: Floats) -> Frame:
    """Return the first series of each group."""
    return _chosen(context, groups, frame, limits, lambda values, limit: np.arange(min(limit, len(values))))


def limit_ratio(context: Context, frame: Frame, ratios: Floats) -> Frame:
    """Return a share of the series, the same ones each time; `-r` gives those that `1 - r` leaves out.

    Raises:
        EvaluationError: A ratio is NaN.
    """
    if np.isnan(ratios).any():
        raise EvaluationError("Ratio value is NaN")
    for ratio in sorted(set(ratios[np.abs(ratios) > 1].tolist())):
        limit = 1.0 if ratio > 1 else -1.0
        context.notes.warn(f"ratio value should be between -1 and 1, got {ratio:g}, capping to {limit:g}")
    offsets = np.array([_offset(labels) for labels in frame.labels]).reshape(-1, 1)
    below = (ratios >= 0) & (offsets < ratios)
    above = (ratios < 0) & (offsets >= 1 + ratios)
    return frame.where(below | above).without_empty_rows()


def _offset(labels: Labels) -> float:
    """Return a number from 0 to 1 that depends on the labels alone."""
    digest = hashlib.blake2b(repr(tuple(labels.items())).encode(), digest_size=8).digest()
    return int.from_bytes(digest) / 2**64


def _extremes(context: Context, groups: Groups, frame: Frame, limits: Floats, *, sign: float) -> Frame:
    chosen = _chosen(context, groups, frame, limits, lambda values, limit: _largest(sign * values, limit))
    if chosen.steps != 1:
        return chosen
    values = sign * chosen.values[:, 0]
    of_rows = groups_in(groups, frame, chosen)
    order = np.lexsort((-np.where(np.isnan(values), -np.inf, values), np.isnan(values), of_rows))
    return chosen.take(order)


def groups_in(groups: Groups, frame: Frame, chosen: Frame) -> Indexes:
    """Return the groups of the series that were chosen from a frame."""
    numbers = {id(labels): group for labels, group in zip(frame.labels, groups.of_rows.tolist(), strict=True)}
    return np.array([numbers[id(labels)] for labels in chosen.labels], dtype=np.intp)


def _chosen(
    context: Context,
    groups: Groups,
    frame: Frame,
    limits: Floats,
    choose: Callable[[Floats, int], Indexes],
) -> Frame:
    """Return the members of each group that `choose` picks by their values at each step."""
    present = frame.mask()
    counts = _counts(limits, len(frame.labels))
    kept = np.zeros(present.shape, dtype=np.bool_)
    for step in np.flatnonzero(counts).tolist():
        context.budget.check()
        rows = np.flatnonzero(present[:, step])
        rows = rows[np.argsort(groups.of_rows[rows], kind="stable")]
        borders = np.flatnonzero(np.diff(groups.of_rows[rows])) + 1
        for members in np.split(rows, borders):
            if len(members) <= counts[step]:
                kept[members, step] = True
            else:
                kept[members[choose(frame.values[members, step], int(counts[step]))], step] = True
    return frame.where(kept).without_empty_rows()


def _counts(limits: Floats, most: int) -> Indexes:
    if np.isnan(limits).any():
        raise EvaluationError("Parameter value is NaN")
    for limit in limits[np.abs(limits) >= _LARGEST_COUNT].tolist():
        raise EvaluationError(f"Scalar value {limit!r} {'over' if limit > 0 else 'under'}flows int64")
    return np.clip(limits, 0, most).astype(np.intp)


def _largest(values: Floats, limit: int) -> Indexes:
    """Return which values are largest. NaN is smaller than any number.

    Of values that are equal, Prometheus keeps those that its heap happens to keep: where they
    straddle the limit, so does this.
    """
    sizes = np.where(np.isnan(values), -np.inf, values)
    border = np.partition(sizes, len(sizes) - limit)[len(sizes) - limit]
    inside = np.flatnonzero(sizes >= border)
    return inside if len(inside) == limit else _kept_by_heap(values, limit)


def _kept_by_heap(values: Floats, limit: int) -> Indexes:
    """Return what is left in a heap of so many, as Go's `container/heap` keeps it."""
    sizes = values.tolist()
    heap = list(range(limit))
    for end in range(limit):
        _sift_up(heap, sizes, end)
    for index in range(limit, len(sizes)):
        least = sizes[heap[0]]
        if least < sizes[index] or (math.isnan(least) and not math.isnan(sizes[index])):
            heap[0] = index
            _sift_down(heap, sizes)
    return np.array(heap, dtype=np.intp)


def _is_less(left: float, right: float) -> bool:
    return math.isnan(left) or left < right


def _sift_up(heap: list[int], sizes: list[float], child: int) -> None:
    while child:
        parent = (child - 1) // 2
        if not _is_less(sizes[heap[child]], sizes[heap[parent]]):
            return
        heap[parent], heap[child] = heap[child], heap[parent]
        child = parent


def _sift_down(heap: list[int], sizes: list[float]) -> None:
    parent = 0
    while (child := 2 * parent + 1) < len(heap):
        if child + 1 < len(heap) and _is_less(sizes[heap[child + 1]], sizes[heap[child]]):
            child += 1
        if not _is_less(sizes[heap[child]], sizes[heap[parent]]):
            return
        heap[parent], heap[child] = heap[child], heap[parent]
        parent = child


def count_values(label: str, grouping: Grouping, frame: Frame) -> Frame:
    """Return how many members of each group have each value; the value becomes a label.

    Raises:
        EvaluationError: The label has no name.
    """
    if not label:
        raise EvaluationError('invalid label name ""')
    rows, steps = np.nonzero(frame.mask())
    texts = {value: shortest(value) for value in np.unique(frame.values[rows, steps]).tolist()}
    written = [texts.get(value, "NaN") for value in frame.values[rows, steps].tolist()]
    pairs, distinct = group_by(list(zip(rows.tolist(), written, strict=True)))
    labels = [frame.labels[row].with_values({label: text}) for row, text in distinct]
    wider = grouping if grouping.without else Grouping((*grouping.labels, label))
    groups = groups_of(labels, wider)
    counts = np.zeros((len(groups.labels), frame.steps))
    np.add.at(counts, (groups.of_rows[pairs], steps), 1.0)
    return Frame(groups.labels, counts, counts > 0)


def shortest(value: float) -> str:
    """Return the shortest decimal that reads back as the value, without exponent, as Go's `%f` does."""
    if math.isnan(value):
        return "NaN"
    if math.isinf(value):
        return "+Inf" if value > 0 else "-Inf"
    text = format(Decimal(repr(value)), "f")
    return text.removesuffix(".0")
