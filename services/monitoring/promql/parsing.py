"""From text to syntax tree, by way of `promql-parser`.

The parser checks types and arguments; here its tree becomes ours, and what this engine does
not have is refused, so that a query that parses has a true answer.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import promql_parser as pp

from services.monitoring.promql.errors import LimitExceeded, ParseError, Unsupported
from services.monitoring.promql.labels import METRIC_NAME
from services.monitoring.promql.limits import Limits
from services.monitoring.promql.matchers import BadPattern, Matcher, MatchOperator, anchored
from services.monitoring.promql.scanning import scan
from services.monitoring.promql.syntax import (
    Aggregation,
    Anchor,
    Binary,
    Call,
    Cardinality,
    Grouping,
    Matching,
    Negation,
    Node,
    Number,
    Range,
    Selector,
    Shift,
    Subquery,
    Text,
    ValueKind,
)

NATIVE_ONLY = frozenset(
    ("histogram_avg", "histogram_count", "histogram_stddev", "histogram_stdvar", "histogram_sum")
)
"""Functions that have an answer for native histograms alone."""

# The parser's enumerations cannot be keys; their names can.
_KINDS: dict[str, ValueKind] = {
    "ValueType.Scalar": "scalar",
    "ValueType.Vector": "vector",
    "ValueType.Matrix": "matrix",
    "ValueType.String": "string",
}
_MATCH_OPERATORS: dict[str, MatchOperator] = {
    "MatchOp.Equal": "=",
    "MatchOp.NotEqual": "!=",
    "MatchOp.Re": "=~",
    "MatchOp.NotRe": "!~",
}
_CARDINALITIES = {
    "VectorMatchCardinality.OneToOne": Cardinality.ONE_TO_ONE,
    "VectorMatchCardinality.ManyToOne": Cardinality.MANY_TO_ONE,
    "VectorMatchCardinality.OneToMany": Cardinality.ONE_TO_MANY,
    "VectorMatchCardinality.ManyToMany": Cardinality.MANY_TO_MANY,
}
# What double_exponential_smoothing() was called until 3.0: queries and dashboards still have it.
pp.register_extra_functions(
    [
        pp.Function(
            "holt_winters",
            [pp.ValueType.Matrix, pp.ValueType.Scalar, pp.ValueType.Scalar],
            pp.ValueType.Vector,
        )
    ]
)
_SET_OPERATORS = frozenset({"and", "or", "unless"})
# The getter of an `@` before 1970 panics; the text of the node does not.
_AT = re.compile(r"At\(\s*SystemTime \{\s*tv_sec: (-?\d+),\s*tv_nsec: (\d+),?\s*\}")
_LONGEST_MS = 2**60


def parse(text: str, limits: Limits) -> Node:
    """Return the syntax tree of a query.

    Raises:
        ParseError: It is not PromQL.
        Unsupported: It asks for what this engine does not have.
        LimitExceeded: It is too long, too deep or has too many operators.
    """
    scan(text, limits)
    try:
        return _Converter(limits).convert(pp.parse(text), 0)
    except (ValueError, OverflowError) as refusal:
        raise ParseError(str(refusal)) from None
    except BaseException as panic:
        if type(panic).__name__ != "PanicException":
            raise
        raise ParseError("the parser cannot read this query") from None


class _Converter:
    """Turns the parser's nodes into ours."""

    def __init__(self, limits: Limits) -> None:
        self._limits = limits
        self._by_type: dict[type[Any], Callable[[Any, int], Node]] = {
            pp.NumberLiteral: lambda node, _: Number(node.val),
            pp.StringLiteral: lambda node, _: Text(node.val),
            pp.ParenExpr: lambda node, depth: self.convert(node.expr, depth),
            pp.UnaryExpr: lambda node, depth: Negation(self.convert(node.expr, depth)),
            pp.VectorSelector: lambda node, _: _selector(node),
            pp.MatrixSelector: lambda node, _: _range(node),
            pp.SubqueryExpr: self._subquery,
            pp.Call: self._call,
            pp.AggregateExpr: self._aggregation,
            pp.BinaryExpr: self._binary,
        }

    def convert(self, node: Any, depth: int) -> Node:  # noqa: ANN401  # the parser's types have no common base
        if depth > self._limits.depth:
            raise LimitExceeded(f"query is nested more than {self._limits.depth} deep")
        return self._by_type[type(node)](node, depth + 1)

    def _subquery(self, node: Any, depth: int) -> Node:  # noqa: ANN401
        step = None if node.step is None else _milliseconds(node.step)
        return Subquery(self.convert(node.expr, depth), _milliseconds(node.range), step, _shift(node))

    def _call(self, node: Any, depth: int) -> Node:  # noqa: ANN401
        name = node.func.name
        if name in NATIVE_ONLY:
            raise Unsupported(f"{name}() is about native histograms, which this engine does not have")
        arguments = tuple(self.convert(argument, depth) for argument in node.args)
        return Call(name, arguments, _KINDS[str(node.func.return_type)])

    def _aggregation(self, node: Any, depth: int) -> Node:  # noqa: ANN401
        grouping = Grouping()
        if node.modifier is not None:
            without = node.modifier.type == pp.AggModifierType.Without
            grouping = Grouping(tuple(node.modifier.labels), without)
        parameter = None if node.param is None else self.convert(node.param, depth)
        return Aggregation(str(node.op), self.convert(node.expr, depth), parameter, grouping)

    def _binary(self, node: Any, depth: int) -> Node:  # noqa: ANN401
        operator = str(node.op)
        left, right = self.convert(node.lhs, depth), self.convert(node.rhs, depth)
        returns_bool = node.modifier is not None and node.modifier.return_bool
        return Binary(operator, left, right, _matching(operator, node.modifier), returns_bool)


def _matching(operator: str, modifier: Any) -> Matching:  # noqa: ANN401
    default = Cardinality.MANY_TO_MANY if operator in _SET_OPERATORS else Cardinality.ONE_TO_ONE
    if modifier is None:
        return Matching(default)
    cardinality = default if operator in _SET_OPERATORS else _CARDINALITIES[str(modifier.card)]
    fills = modifier.fill_values
    labels, on = (), False
    if modifier.matching is not None:
        labels = tuple(modifier.matching.labels)
        on = modifier.matching.type == pp.LabelModifierType.Include
    return Matching(cardinality, labels, on, tuple(modifier.group_labels or ()), fills.lhs, fills.rhs)


def _selector(node: Any) -> Selector:  # noqa: ANN401
    if node.matchers.or_matchers:
        raise Unsupported('"or" between matchers is not PromQL: use a regular expression')
    matchers = [] if node.name is None else [Matcher(METRIC_NAME, "=", node.name)]
    matchers += [Matcher(m.name, _MATCH_OPERATORS[str(m.op)], m.value) for m in node.matchers.matchers]
    for matcher in matchers:
        _check_pattern(matcher)
    return Selector(tuple(matchers), _shift(node))


def _check_pattern(matcher: Matcher) -> None:
    if matcher.op in {"=~", "!~"}:
        try:
            anchored(matcher.value)
        except BadPattern as refusal:
            raise ParseError(f"error parsing regexp: {refusal}") from None


def _range(node: Any) -> Range:  # noqa: ANN401
    return Range(_selector(node.vector_selector), _milliseconds(node.range))


def _shift(node: Any) -> Shift:  # noqa: ANN401
    offset = 0 if node.offset is None else _milliseconds(node.offset)
    if node.at is None:
        return Shift(None, offset)
    if node.at.type == pp.AtModifierType.At:
        seconds, nanoseconds = map(int, _AT.findall(repr(node))[-1])
        return Shift(_in_bounds(round(seconds * 1000 + nanoseconds / 1e6)), offset)
    return Shift(Anchor.START if node.at.type == pp.AtModifierType.Start else Anchor.END, offset)


def _milliseconds(duration: timedelta) -> int:
    return _in_bounds(duration // timedelta(milliseconds=1))


def _in_bounds(milliseconds: int) -> int:
    if abs(milliseconds) > _LONGEST_MS:
        raise ParseError("duration out of range")
    return milliseconds
