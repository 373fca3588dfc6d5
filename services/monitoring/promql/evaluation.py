"""From syntax tree to value: each node once, for all steps."""

from __future__ import annotations

import numpy as np

from services.monitoring.promql import choosing, labelling, ranging, selecting
from services.monitoring.promql.aggregating import fold_groups, quantile_of_groups
from services.monitoring.promql.context import Context
from services.monitoring.promql.functions import FUNCTIONS, Arguments, Value
from services.monitoring.promql.grouping import groups_of
from services.monitoring.promql.histograms import note_invalid_quantiles
from services.monitoring.promql.matching import between_vectors
from services.monitoring.promql.operators import between_scalars, negated, with_scalar
from services.monitoring.promql.sets import set_operation
from services.monitoring.promql.syntax import (
    Aggregation,
    Binary,
    Call,
    Cardinality,
    Negation,
    Node,
    Number,
    Range,
    Selector,
    Subquery,
    Text,
    is_invariant,
    kind_of,
)
from services.monitoring.promql.values import Floats, Frame, Integers, Scalar, String

_PRESENCE = "absent_over_time"
_PREDICTION = "predict_linear"

SUPPORTED = frozenset({*FUNCTIONS, *ranging.KERNELS, _PRESENCE})
"""The functions that can be evaluated."""


class Evaluation:
    """Evaluates the nodes of one query, in one context."""

    def __init__(self, context: Context) -> None:
        self._context = context

    def value(self, node: Node, times: Integers) -> Value:
        """Return what a node is at each of those times."""
        self._context.budget.check()
        if len(times) > 1 and is_invariant(node):
            return _repeated(self._value(node, times[:1]), len(times))
        return self._value(node, times)

    def _value(self, node: Node, times: Integers) -> Value:
        match node:
            case Number(value=value):
                return Scalar(np.full(len(times), value))
            case Text(value=text):
                return String(text)
            case Selector():
                return selecting.instant_vector(self._context, node, times)
            case Call():
                return self._call(node, times)
            case _:
                return self._operation(node, times)

    def _operation(self, node: Node, times: Integers) -> Value:
        match node:
            case Aggregation():
                value: Value = self._aggregation(node, times)
            case Binary():
                value = self._binary(node, times)
            case Negation(expression=expression):
                inner = self.value(expression, times)
                value = negated(self._context, inner) if isinstance(inner, Frame) else _negative(inner)
            case _:
                raise TypeError(f"a {kind_of(node)} is not a value by itself")
        if isinstance(value, Frame):
            self._context.budget.hold(value.values.size)
        return value

    def _vector(self, node: Node, times: Integers) -> Frame:
        value = self.value(node, times)
        if not isinstance(value, Frame):
            raise TypeError(f"a {kind_of(node)} is not a vector")
        return value

    def _numbers(self, node: Node, times: Integers) -> Floats:
        value = self.value(node, times)
        if not isinstance(value, Scalar):
            raise TypeError(f"a {kind_of(node)} is not a scalar")
        return value.values

    def _call(self, node: Call, times: Integers) -> Value:
        if node.function in ranging.KERNELS:
            return self._over_time(node, times)
        if node.function == _PRESENCE:
            argument = node.arguments[0]
            present = ranging.presence(self._context, self._samples(argument, times))
            return labelling.absent(argument, present)
        if node.function == "timestamp" and isinstance(node.arguments[0], Selector):
            frame = selecting.sample_times(self._context, node.arguments[0], times)
            return self._context.unnamed(frame)
        values = [self.value(argument, times) for argument in node.arguments]
        return FUNCTIONS[node.function](Arguments(self._context, node, values, times))

    def _over_time(self, node: Call, times: Integers) -> Frame:
        numbers = [each for each in node.arguments if kind_of(each) == "scalar"]
        samples = next(each for each in node.arguments if kind_of(each) == "matrix")
        scalars = [self._numbers(each, times) for each in numbers]
        if node.function == _PREDICTION:
            scalars.append(times.astype(np.float64))
        if node.function == "quantile_over_time":
            note_invalid_quantiles(self._context, scalars[0])
        return ranging.over_time(self._context, node.function, self._samples(samples, times), scalars)

    def _samples(self, node: Node, times: Integers) -> ranging.RangeVector:
        if isinstance(node, Range):
            return ranging.stored(self._context, node, times)
        if isinstance(node, Subquery):
            return ranging.evaluated(
                self._context, node, times, lambda subquery, at: self._vector(subquery.expression, at)
            )
        raise TypeError(f"a {kind_of(node)} is not a range vector")

    def _binary(self, node: Binary, times: Integers) -> Value:
        left, right = self.value(node.left, times), self.value(node.right, times)
        match left, right:
            case Frame(), Frame():
                if node.matching.cardinality is Cardinality.MANY_TO_MANY:
                    return set_operation(node, left, right)
                return between_vectors(self._context, node, left, right)
            case Frame(), Scalar():
                return with_scalar(self._context, node, left, right, swapped=False)
            case Scalar(), Frame():
                return with_scalar(self._context, node, right, left, swapped=True)
            case Scalar(), Scalar():
                return between_scalars(node.operator, left, right)
            case _:
                raise TypeError("an operator between strings")

    def _aggregation(self, node: Aggregation, times: Integers) -> Frame:
        frame = self._vector(node.expression, times)
        if node.operator == "count_values":
            label = self.value(node.parameter, times) if node.parameter else String("")
            return choosing.count_values(
                label.value if isinstance(label, String) else "", node.grouping, frame
            )
        numbers = self._numbers(node.parameter, times) if node.parameter else None
        return self._grouped(node, frame, numbers)

    def _grouped(self, node: Aggregation, frame: Frame, numbers: Floats | None) -> Frame:
        groups = groups_of(frame.labels, node.grouping)
        if numbers is None:
            lone_spread_is_zero = self._context.dialect.lone_spread_is_zero
            return fold_groups(node.operator, groups, frame, lone_spread_is_zero=lone_spread_is_zero)
        if node.operator == "quantile":
            note_invalid_quantiles(self._context, numbers)
            return quantile_of_groups(self._context, groups, frame, numbers)
        if node.operator == "limit_ratio":
            return choosing.limit_ratio(self._context, frame, numbers)
        return _CHOICES[node.operator](self._context, groups, frame, numbers)


_CHOICES = {"topk": choosing.topk, "bottomk": choosing.bottomk, "limitk": choosing.limitk}


def _repeated(value: Value, steps: int) -> Value:
    match value:
        case Scalar(values=values):
            return Scalar(np.broadcast_to(values, steps))
        case Frame():
            return value.broadcast(steps)
        case String():
            return value


def _negative(value: Value) -> Scalar:
    if not isinstance(value, Scalar):
        raise TypeError("a minus before a string")
    return Scalar(-value.values)
