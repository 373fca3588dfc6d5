"""`and`, `or` and `unless`: series are kept or left out by whether the other side has their like."""

from __future__ import annotations

import numpy as np

from services.monitoring.promql.matching import grouped
from services.monitoring.promql.syntax import Binary
from services.monitoring.promql.values import Bools, Frame, Indexes, fold_rows, merged


def set_operation(node: Binary, left: Frame, right: Frame) -> Frame:
    """Return the series that a set operator keeps, with the values they have."""
    left_groups, right_groups, count = grouped(left, right, node.matching)
    if node.operator == "or":
        covered = _seen(left, left_groups, count)[right_groups]
        return merged(_union(left, right.where(~covered)).without_empty_rows())
    seen = _seen(right, right_groups, count)[left_groups]
    return left.where(seen if node.operator == "and" else ~seen).without_empty_rows()


def _seen(frame: Frame, groups: Indexes, count: int) -> Bools:
    """Tell for each group and step whether any of its series has a value."""
    return fold_rows(np.logical_or, frame.mask(), groups, count)


def _union(left: Frame, right: Frame) -> Frame:
    flags = None
    if left.nameless is not None or right.nameless is not None:
        flags = np.concatenate([left.flags(), right.flags()])
    return Frame(
        [*left.labels, *right.labels],
        np.concatenate([left.values, right.values]),
        np.concatenate([left.mask(), right.mask()]),
        flags,
    )
