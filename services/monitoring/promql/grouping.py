"""Which series an aggregation takes together."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from services.monitoring.promql.labels import METRIC_NAME, Labels
from services.monitoring.promql.syntax import Grouping
from services.monitoring.promql.values import Bools, Floats, Frame, Indexes, T, fold_rows, group_by


@dataclass(frozen=True, slots=True)
class Groups:
    """Groups of the series of a frame."""

    labels: list[Labels]
    """Of each group."""
    of_rows: Indexes
    """The group of each series."""

    def fold(self, ufunc: np.ufunc, matrix: NDArray[T]) -> NDArray[T]:
        """Return ufunc folded over the rows of each group."""
        return fold_rows(ufunc, matrix, self.of_rows, len(self.labels))

    def frame(self, values: Floats, present: Bools, source: Frame) -> Frame:
        """Return one series for each group, made from a frame."""
        flags = None
        if source.nameless is not None:
            flags = self.fold(np.logical_or, source.nameless[:, None])[:, 0]
        return Frame(self.labels, values, None if present.all() else present, flags)


def groups_of(labels: Sequence[Labels], grouping: Grouping) -> Groups:
    """Return the groups of some series."""
    if grouping.without:
        return _groups_without(labels, {*grouping.labels, METRIC_NAME})
    names = sorted(set(grouping.labels))
    if not names:
        return Groups([Labels()] if labels else [], np.zeros(len(labels), dtype=np.intp))
    if len(names) == 1:
        of_rows, each = group_by([one.get(names[0], "") for one in labels])
        return Groups([Labels({names[0]: value}) for value in each], of_rows)
    of_rows, several = group_by([tuple([one.get(name, "") for name in names]) for one in labels])
    return Groups([Labels(zip(names, values, strict=True)) for values in several], of_rows)


def _groups_without(labels: Sequence[Labels], dropped: set[str]) -> Groups:
    keys = [tuple([pair for pair in one.items() if pair[0] not in dropped]) for one in labels]
    of_rows, kept = group_by(keys)
    return Groups([Labels(pairs) for pairs in kept], of_rows)
