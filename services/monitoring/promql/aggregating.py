"""Aggregations that make one value of a group: sum, avg, min, max, count, group, stddev, stdvar, quantile."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np

from services.monitoring.promql.compensation import compensated_mean, compensated_sum
from services.monitoring.promql.context import Context
from services.monitoring.promql.grouping import Groups
from services.monitoring.promql.quantiles import quantile
from services.monitoring.promql.sums import CANCELLATION
from services.monitoring.promql.values import Bools, Floats, Frame, Indexes

_LONG = 1024
_SPREADS = frozenset({"stddev", "stdvar"})


def fold_groups(operator: str, groups: Groups, frame: Frame, *, lone_spread_is_zero: bool) -> Frame:
    """Return the value of each group at the steps at which it has members."""
    counts = groups.fold(np.add, frame.mask().astype(np.intp))
    values = _FOLDS[operator](groups, frame, counts)
    if lone_spread_is_zero and operator in _SPREADS:
        values = np.where(counts == 1, 0.0, values)
    return groups.frame(values, counts > 0, frame)


def quantile_of_groups(context: Context, groups: Groups, frame: Frame, ranks: Floats) -> Frame:
    """Return the quantile of each group; `ranks` has one for each step."""
    present = frame.mask()
    found = np.zeros((len(groups.labels), frame.steps))
    seen = np.zeros(found.shape, dtype=np.bool_)
    for step in range(frame.steps):
        context.budget.check()
        rows = np.flatnonzero(present[:, step])
        for size, members in _by_size(groups.of_rows[rows]):
            numbers = groups.of_rows[rows[members[:, 0]]]
            samples = frame.values[rows[members], step].reshape(-1, size)
            found[numbers, step] = quantile(samples, np.full(1, ranks[step]))
            seen[numbers, step] = True
    return groups.frame(found, seen, frame)


def _by_size(groups: Indexes) -> list[tuple[int, Indexes]]:
    """Return, for each size of group there is, the members of all groups of that size, one group a row."""
    order = np.argsort(groups, kind="stable")
    starts = np.flatnonzero(np.diff(groups[order], prepend=-1))
    sizes = np.diff(starts, append=len(groups))
    return [
        (size, order[starts[sizes == size][:, None] + np.arange(size)]) for size in np.unique(sizes).tolist()
    ]


def _sum(groups: Groups, frame: Frame, _: Indexes) -> Floats:
    terms = _or_zero(frame)
    sums = groups.fold(np.add, terms)
    for group, rows, steps in _doubtful(groups, terms, sums):
        sums[group, steps] = _exact_sums(terms[np.ix_(rows, steps)].T)
    return sums


def _avg(groups: Groups, frame: Frame, counts: Indexes) -> Floats:
    terms = _or_zero(frame)
    sums = groups.fold(np.add, terms)
    means = sums / counts
    present = frame.mask()
    for group, rows, steps in _doubtful(groups, terms, sums):
        for step in steps.tolist():
            members = terms[rows[present[rows, step]], step][None, :]
            is_finite = math.isfinite(sums[group, step])
            means[group, step] = _exact_means(members) if is_finite else compensated_mean(members)[0]
    return means


def _exact_means(members: Floats) -> float:
    return (
        float(compensated_mean(members)[0])
        if members.shape[1] <= _LONG
        else math.fsum(members[0]) / members.shape[1]
    )


def _exact_sums(terms: Floats) -> Floats:
    if terms.shape[1] <= _LONG or not np.isfinite(terms).all():
        return compensated_sum(terms)
    return np.array([math.fsum(row) for row in terms])


def _doubtful(groups: Groups, terms: Floats, sums: Floats) -> list[tuple[int, Indexes, Indexes]]:
    """Return the groups whose sums may have lost digits or overflowed, with their rows and those steps."""
    if terms.min(initial=0.0) >= 0 and np.isfinite(sums).all():
        return []
    magnitudes = groups.fold(np.add, np.abs(terms))
    are_finite = groups.fold(np.logical_and, np.isfinite(terms))
    lost = are_finite & ~(np.abs(sums) * CANCELLATION >= magnitudes)
    overflown = are_finite & ~np.isfinite(sums)
    doubtful = (lost | overflown) & (magnitudes > 0)
    return [
        (group, np.flatnonzero(groups.of_rows == group), np.flatnonzero(doubtful[group]))
        for group in np.flatnonzero(doubtful.any(axis=1)).tolist()
    ]


def _or_zero(frame: Frame) -> Floats:
    return frame.values if frame.present is None else np.where(frame.present, frame.values, 0.0)


def _extreme(ufunc: np.ufunc) -> Callable[[Groups, Frame, Indexes], Floats]:
    def fold(groups: Groups, frame: Frame, _: Indexes) -> Floats:
        values = frame.values if frame.present is None else np.where(frame.present, frame.values, np.nan)
        return groups.fold(ufunc, values)

    return fold


def _stdvar(groups: Groups, frame: Frame, counts: Indexes) -> Floats:
    present: Bools = frame.mask()
    lowest = _extreme(np.fmin)(groups, frame, counts)
    lifted = np.where(present, frame.values - lowest[groups.of_rows], 0.0)
    means = groups.fold(np.add, lifted) / counts
    centred = np.where(present, lifted - means[groups.of_rows], 0.0)
    variances: Floats = groups.fold(np.add, centred * centred) / counts
    return variances


def _stddev(groups: Groups, frame: Frame, counts: Indexes) -> Floats:
    deviations: Floats = np.sqrt(_stdvar(groups, frame, counts))
    return deviations


_FOLDS: dict[str, Callable[[Groups, Frame, Indexes], Floats]] = {
    "avg": _avg,
    "count": lambda _groups, _frame, counts: counts.astype(np.float64),
    "group": lambda _groups, _frame, counts: np.ones(counts.shape),
    "max": _extreme(np.fmax),
    "min": _extreme(np.fmin),
    "stddev": _stddev,
    "stdvar": _stdvar,
    "sum": _sum,
}
