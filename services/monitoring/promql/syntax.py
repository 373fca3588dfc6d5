"""The syntax tree of PromQL, as the evaluator wants it: no parentheses, no source text."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from enum import Enum
from typing import Literal

from services.monitoring.promql.matchers import Matcher

ValueKind = Literal["scalar", "vector", "matrix", "string"]


class Anchor(Enum):
    """An `@` that names an end of the query's range."""

    START = "start()"
    END = "end()"


@dataclass(frozen=True, slots=True)
class Shift:
    """When to look instead of at the time of evaluation."""

    at: int | Anchor | None = None
    """Milliseconds since 1970, or an end of the query's range."""
    offset_ms: int = 0
    """How long before that; negative is after."""


@dataclass(frozen=True, slots=True)
class Number:
    """A number."""

    value: float


@dataclass(frozen=True, slots=True)
class Text:
    """A string."""

    value: str


@dataclass(frozen=True, slots=True)
class Selector:
    """The newest samples of the series that satisfy all matchers."""

    matchers: tuple[Matcher, ...]
    shift: Shift = Shift()


@dataclass(frozen=True, slots=True)
class Range:
    """All samples of a selector's series over the time before."""

    selector: Selector
    range_ms: int


@dataclass(frozen=True, slots=True)
class Subquery:
    """An expression evaluated at each step over the time before."""

    expression: Node
    range_ms: int
    step_ms: int | None
    shift: Shift = Shift()


@dataclass(frozen=True, slots=True)
class Call:
    """A function of its arguments."""

    function: str
    arguments: tuple[Node, ...]
    kind: ValueKind


@dataclass(frozen=True, slots=True)
class Grouping:
    """Which labels tell groups apart."""

    labels: tuple[str, ...] = ()
    without: bool = False


@dataclass(frozen=True, slots=True)
class Aggregation:
    """One value, or a choice of samples, for each group."""

    operator: str
    expression: Node
    parameter: Node | None
    grouping: Grouping


class Cardinality(Enum):
    """Which side of a match may have several series for one of the other."""

    ONE_TO_ONE = "one-to-one"
    MANY_TO_ONE = "many-to-one"
    ONE_TO_MANY = "one-to-many"
    MANY_TO_MANY = "many-to-many"


@dataclass(frozen=True, slots=True)
class Matching:
    """How series of two vectors find one another."""

    cardinality: Cardinality = Cardinality.ONE_TO_ONE
    labels: tuple[str, ...] = ()
    on: bool = False
    include: tuple[str, ...] = ()
    fill_left: float | None = None
    fill_right: float | None = None


@dataclass(frozen=True, slots=True)
class Binary:
    """An operator between two expressions."""

    operator: str
    left: Node
    right: Node
    matching: Matching
    returns_bool: bool = False


@dataclass(frozen=True, slots=True)
class Negation:
    """The expression, times minus one."""

    expression: Node


Node = Number | Text | Selector | Range | Subquery | Call | Aggregation | Binary | Negation


_KINDS: dict[type, ValueKind] = {
    Number: "scalar",
    Text: "string",
    Range: "matrix",
    Subquery: "matrix",
    Selector: "vector",
    Aggregation: "vector",
}


def kind_of(node: Node) -> ValueKind:
    """Return the type of what a node evaluates to."""
    match node:
        case Call(kind=kind):
            return kind
        case Binary(left=left, right=right):
            return "scalar" if kind_of(left) == kind_of(right) == "scalar" else "vector"
        case Negation(expression=expression):
            return kind_of(expression)
        case _:
            return _KINDS[type(node)]


def children(node: Node) -> tuple[Node, ...]:
    """Return the expressions that a node is made of, from left to right."""
    match node:
        case Call(arguments=arguments):
            return arguments
        case Binary(left=left, right=right):
            return (left, right)
        case Aggregation(expression=expression, parameter=parameter):
            return (expression,) if parameter is None else (parameter, expression)
        case Negation(expression=expression) | Subquery(expression=expression):
            return (expression,)
        case Range(selector=selector):
            return (selector,)
        case Number() | Text() | Selector():
            return ()


def walk(node: Node) -> Iterator[Node]:
    """Yield a node and everything in it."""
    yield node
    for child in children(node):
        yield from walk(child)


DEPENDS_ON_TIME = frozenset(
    {"days_in_month", "day_of_month", "day_of_week", "day_of_year", "hour", "minute", "month", "year"}
    | {"predict_linear", "time", "timestamp"}
)
"""Functions whose value depends on when they are evaluated, whatever their arguments."""


def is_invariant(node: Node) -> bool:
    """Tell whether a node has the same value at every step of a range query."""
    match node:
        case Selector(shift=shift) | Subquery(shift=shift):
            return shift.at is not None
        case Call(function=function, arguments=arguments):
            return function not in DEPENDS_ON_TIME and all(map(is_invariant, arguments))
        case _:
            return all(map(is_invariant, children(node)))
