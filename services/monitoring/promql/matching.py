"""Operators between two vectors whose series find one another by their labels."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass, replace

import numpy as np

from services.monitoring.promql.context import Context
from services.monitoring.promql.errors import EvaluationError
from services.monitoring.promql.labels import METRIC_NAME, Labels
from services.monitoring.promql.operators import ARITHMETIC, COMPARISONS
from services.monitoring.promql.syntax import Binary, Cardinality, Matching
from services.monitoring.promql.values import Bools, Floats, Frame, Indexes, fold_rows, group_by, merged


@dataclass(frozen=True, slots=True)
class Sides:
    """Two vectors, and for each of their series the number of its match group.

    `many` may have several series in a group; `one` has at most one at each step.
    """

    many: Frame
    one: Frame
    many_groups: Indexes
    one_groups: Indexes
    groups: int


@dataclass(frozen=True, slots=True)
class Pairs:
    """Series side by side; the present ones at each step are a match."""

    labels: list[Labels]
    groups: Indexes
    many: Floats
    one: Floats
    present: Bools

    def joined(self, other: Pairs) -> Pairs:
        """Return these pairs and those."""
        return Pairs(
            [*self.labels, *other.labels],
            np.concatenate([self.groups, other.groups]),
            np.concatenate([self.many, other.many]),
            np.concatenate([self.one, other.one]),
            np.concatenate([self.present, other.present]),
        )


def signatures(labels: Sequence[Labels], matching: Matching) -> list[Hashable]:
    """Return for each series what it is matched by."""
    if matching.on:
        names = sorted(set(matching.labels))
        if len(names) == 1:
            return [each.get(names[0], "") for each in labels]
        return [tuple([each.get(name, "") for name in names]) for each in labels]
    if not matching.labels and all("__type__" not in each and "__unit__" not in each for each in labels):
        return [each.nameless for each in labels]
    dropped = {*matching.labels, METRIC_NAME}
    return [tuple([pair for pair in each.items() if pair[0] not in dropped]) for each in labels]


def grouped(left: Frame, right: Frame, matching: Matching) -> tuple[Indexes, Indexes, int]:
    """Return the match group of each series of both sides, and how many groups there are."""
    groups, names = group_by(signatures([*left.labels, *right.labels], matching))
    return groups[: len(left.labels)], groups[len(left.labels) :], len(names)


def between_vectors(context: Context, node: Binary, left: Frame, right: Frame) -> Frame:
    """Return the result for each match.

    Raises:
        EvaluationError: A match is not unique where it has to be.
    """
    matching = node.matching
    swapped = matching.cardinality is Cardinality.ONE_TO_MANY
    left_groups, right_groups, count = grouped(left, right, matching)
    sides = Sides(left, right, left_groups, right_groups, count)
    if swapped:
        sides = Sides(right, left, right_groups, left_groups, count)
    _check_one_side(sides, matching)
    pairs = _paired(context, sides, node)
    left_values, right_values = (pairs.one, pairs.many) if swapped else (pairs.many, pairs.one)
    if node.operator in ARITHMETIC:
        _check_unique(pairs, pairs.present, matching)
        return _result(context, node, pairs, ARITHMETIC[node.operator](left_values, right_values))
    holds = COMPARISONS[node.operator](left_values, right_values)
    kept = pairs.present if node.returns_bool else pairs.present & holds
    _check_unique(pairs, pairs.present if context.dialect.match_before_filter else kept, matching)
    values = holds.astype(np.float64) if node.returns_bool else left_values
    return _result(context, node, replace(pairs, present=kept), values)


def _result(context: Context, node: Binary, pairs: Pairs, values: Floats) -> Frame:
    frame = Frame(pairs.labels, values, None if pairs.present.all() else pairs.present).without_empty_rows()
    return merged(context.unnamed(frame) if node.returns_bool else frame)


def _check_one_side(sides: Sides, matching: Matching) -> None:
    """Raise if two series of the side that must be unique are in one group at one step.

    Where the other side has nothing, there is nothing to match, and so nothing wrong with it.
    """
    present = sides.one.mask()
    if matching.fill_left is None and matching.fill_right is None:
        present = present & sides.many.mask().any(axis=0)
    row = _first_clash(sides.one_groups, present, sides.groups)
    if row is None:
        return
    first, second = sorted((sides.one.labels[each] for each in row), key=lambda labels: tuple(labels.items()))
    side = "left" if matching.cardinality is Cardinality.ONE_TO_MANY else "right"
    group = _match_labels(second, matching)
    raise EvaluationError(
        f"found duplicate series for the match group {group} on the {side} hand-side of the operation: "
        f"[{first}, {second}];many-to-many matching not allowed: "
        "matching labels must be unique on one side"
    )


def _check_unique(pairs: Pairs, present: Bools, matching: Matching) -> None:
    """Raise if two series of the other side have the same match, or the same result, at one step."""
    if matching.cardinality is Cardinality.ONE_TO_ONE:
        if _first_clash(pairs.groups, present, int(pairs.groups.max(initial=-1)) + 1) is not None:
            raise EvaluationError(
                "multiple matches for labels: many-to-one matching must be explicit (group_left/group_right)"
            )
        return
    results, names = group_by(list(zip(pairs.groups.tolist(), pairs.labels, strict=True)))
    if _first_clash(results, present, len(names)) is not None:
        raise EvaluationError("multiple matches for labels: grouping labels must ensure unique matches")


def _first_clash(groups: Indexes, present: Bools, count: int) -> tuple[int, int] | None:
    """Return two rows of one group that have a value at the same step, if there are any."""
    if len(np.unique(groups)) == len(groups):
        return None
    counts = fold_rows(np.add, present.astype(np.intp), groups, count)
    clashes = np.argwhere((counts > 1).T)
    if not len(clashes):
        return None
    step, group = clashes[0]
    rows = np.flatnonzero((groups == group) & present[:, step])
    return int(rows[0]), int(rows[1])


def _paired(context: Context, sides: Sides, node: Binary) -> Pairs:
    """Return all matches, and where the query fills one in, series that have none."""
    label = _labeller(node)
    many_rows, one_rows = _matches(sides)
    context.budget.hold(len(many_rows) * sides.many.steps)
    many, one = sides.many.take(many_rows), sides.one.take(one_rows)
    labels = list(map(label, many.labels, one.labels))
    groups = sides.many_groups[many_rows]
    pairs = Pairs(labels, groups, many.values, one.values, many.mask() & one.mask())
    # Not swapped under group_right: there, Prometheus fills the many side by fill_left() too.
    fill_many, fill_one = node.matching.fill_left, node.matching.fill_right
    matched = fold_rows(np.logical_or, pairs.present, groups, sides.groups)
    if fill_one is not None:
        absent = sides.many.mask() & ~matched[sides.many_groups]
        pairs = pairs.joined(_filled(sides.many, sides.many_groups, absent, fill_one, node))
    if fill_many is not None:
        absent = sides.one.mask() & ~matched[sides.one_groups]
        extra = _filled(sides.one, sides.one_groups, absent, fill_many, node, is_one=True)
        pairs = pairs.joined(extra)
    return pairs


def _matches(sides: Sides) -> tuple[Indexes, Indexes]:
    """Return the rows of all pairs of series in the same group."""
    order = np.argsort(sides.one_groups, kind="stable")
    ordered = sides.one_groups[order]
    begins = np.searchsorted(ordered, sides.many_groups, side="left")
    sizes = np.searchsorted(ordered, sides.many_groups, side="right") - begins
    many_rows = np.repeat(np.arange(len(sizes)), sizes)
    within = np.arange(len(many_rows)) - np.repeat(np.cumsum(sizes) - sizes, sizes)
    return many_rows, order[np.repeat(begins, sizes) + within]


def _filled(  # one side, and how to fill the other
    frame: Frame, groups: Indexes, present: Bools, fill: float, node: Binary, *, is_one: bool = False
) -> Pairs:
    """Return the series of one side that have no match, beside a number."""
    label = _labeller(node)
    other = [_match_labels(each, node.matching) for each in frame.labels]
    many_labels, one_labels = (other, frame.labels) if is_one else (frame.labels, other)
    labels = list(map(label, many_labels, one_labels))
    number = np.full(frame.values.shape, fill)
    many, one = (number, frame.values) if is_one else (frame.values, number)
    return Pairs(labels, groups, many, one, present)


def _match_labels(labels: Labels, matching: Matching) -> Labels:
    return labels.only(matching.labels) if matching.on else labels.without((*matching.labels, METRIC_NAME))


def _labeller(node: Binary) -> Callable[[Labels, Labels], Labels]:
    """Return what makes the labels of a result from those of the many and of the one side."""
    matching = node.matching
    drops_name = node.operator in ARITHMETIC
    if matching.cardinality is Cardinality.ONE_TO_ONE:
        if matching.on:
            names = tuple(name for name in matching.labels if not (drops_name and name == METRIC_NAME))
            return lambda many, _: many.only(names)
        if matching.labels:
            dropped = (*matching.labels, METRIC_NAME) if drops_name else matching.labels
            return lambda many, _: many.without(dropped)
    include = matching.include

    def label(many: Labels, one: Labels) -> Labels:
        base = many.nameless if drops_name else many
        return base.with_values({name: one.get(name, "") for name in include}) if include else base

    return label
