"""What an expression of PromQL reads, held against what is declared: no rule and no panel is dead.

Every metric must be declared in `observability/telemetry/` or recorded by a rule, every
label that a matcher, a grouping or a vector matching names must be one that the series
there carry, and a matcher must leave something: `outcome="complete"` matches nothing.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

import promql_parser as promql
import yaml

from servicekit.declarations import Bounded, Declaration, read

ROOT = Path(__file__).parents[2]
TELEMETRY = ROOT / "observability" / "telemetry"
RULES = sorted((ROOT / "observability" / "rules").glob("*.yml"))
DASHBOARDS = sorted((ROOT / "observability" / "dashboards").glob("*.json"))

TARGET_LABELS = frozenset({"job", "instance"})
"""What every series carries beside its own labels: who sent it."""

ALERT_LABELS = frozenset({"alertname", "alertstate", "severity"})

Values = tuple[str, ...] | None
"""The values that a label may have; None where they are not known beforehand."""
Series = Mapping[str, Values]
"""The labels of the series of one name."""


class Vocabulary:
    """The series that exist, by name."""

    def __init__(self, declarations: Iterable[Declaration], rules: Iterable[Mapping[str, Any]]) -> None:
        self.series: dict[str, Series] = {"ALERTS": dict.fromkeys(ALERT_LABELS | TARGET_LABELS)}
        for one in declarations:
            self.series |= dict(_series_of(one))
        for rule in rules:
            if "record" in rule:
                labels = self.labels(promql.parse(rule["expr"])) | rule.get("labels", {}).keys()
                self.series[rule["record"]] = dict.fromkeys(labels)

    def faults(self, text: str) -> Iterator[str]:
        """What is dead in an expression."""
        for node in nodes(promql.parse(text)):
            match node:
                case promql.VectorSelector():
                    yield from self._faults_of_selector(node)
                case promql.AggregateExpr() if node.modifier and _is(node.modifier.type, "By"):
                    yield from self._unknown(node.modifier.labels, self.labels(node.expr), "grouping")
                case promql.BinaryExpr() if node.modifier and node.modifier.matching:
                    known = self.labels(node.lhs) & self.labels(node.rhs)
                    yield from self._unknown(node.modifier.matching.labels, known, "matching")

    def labels(self, node: Any) -> frozenset[str]:
        """The labels that the result of an expression may carry."""
        match node:
            case promql.VectorSelector():
                found = frozenset(self.series.get(_name(node), {}))
            case promql.AggregateExpr():
                found = _grouped(node, self.labels(node.expr))
            case promql.BinaryExpr():
                found = self.labels(node.lhs) or self.labels(node.rhs)
            case promql.Call():
                found = frozenset[str]().union(*(self.labels(one) for one in node.args))
                found -= {"le"} if node.func.name == "histogram_quantile" else set()
            case promql.MatrixSelector():
                found = self.labels(node.vector_selector)
            case promql.SubqueryExpr() | promql.ParenExpr() | promql.UnaryExpr():
                found = self.labels(node.expr)
            case _:
                found = frozenset()
        return found

    def _faults_of_selector(self, selector: Any) -> Iterator[str]:
        name = _name(selector)
        series = self.series.get(name)
        if series is None:
            yield f"{name} is neither declared nor recorded"
            return
        for matcher in selector.matchers.matchers:
            if matcher.name == "__name__":
                continue
            if matcher.name not in series:
                yield f"{name} has no label {matcher.name}"
            elif (values := series[matcher.name]) is not None and not _leaves_something(matcher, values):
                yield f"{name} never has {matcher.name}{matcher.value!r}"

    @staticmethod
    def _unknown(labels: Iterable[str], known: frozenset[str], where: str) -> Iterator[str]:
        yield from (f"{where} by {label}, which nothing there carries" for label in set(labels) - known)


def declarations() -> list[Declaration]:
    return [one for file in sorted(TELEMETRY.glob("*.yaml")) for one in read(file)]


def rules_of(file: Path) -> list[dict[str, Any]]:
    """The rules of one file, in its order."""
    document = yaml.safe_load(file.read_text())
    return [rule for group in document["groups"] for rule in group["rules"]]


def vocabulary() -> Vocabulary:
    return Vocabulary(declarations(), [rule for file in RULES for rule in rules_of(file)])


def nodes(node: Any) -> Iterator[Any]:
    """An expression and all that is in it."""
    yield node
    for part in ("expr", "lhs", "rhs", "vector_selector", "param"):
        if (child := getattr(node, part, None)) is not None:
            yield from nodes(child)
    for argument in getattr(node, "args", None) or ():
        yield from nodes(argument)


def metrics_in(text: str) -> set[str]:
    """The names that an expression reads."""
    return {_name(node) for node in nodes(promql.parse(text)) if isinstance(node, promql.VectorSelector)}


def _series_of(one: Declaration) -> Iterator[tuple[str, Series]]:
    labels: dict[str, Values] = dict.fromkeys(TARGET_LABELS)
    labels |= {name: None if isinstance(values, Bounded) else values for name, values in one.labels.items()}
    if one.type != "histogram":
        yield one.name, labels
        return
    yield f"{one.name}_bucket", {**labels, "le": (*(str(float(bound)) for bound in one.buckets), "+Inf")}
    yield f"{one.name}_sum", labels
    yield f"{one.name}_count", labels


def _name(selector: Any) -> str:
    named = [one.value for one in selector.matchers.matchers if one.name == "__name__"]
    return str(selector.name or (named or [""])[0])


def _grouped(node: Any, labels: frozenset[str]) -> frozenset[str]:
    if str(node.op) in {"topk", "bottomk"}:
        return labels
    if node.modifier is None:
        return frozenset()
    named = frozenset(node.modifier.labels)
    return labels & named if _is(node.modifier.type, "By") else labels - named


def _is(kind: Any, name: str) -> bool:
    return str(kind).endswith(f".{name}")


def _leaves_something(matcher: Any, values: tuple[str, ...]) -> bool:
    operator = str(matcher.op).rpartition(".")[2]
    is_pattern, is_negative = operator.endswith("Re"), operator.startswith("Not")
    pattern = matcher.value if is_pattern else re.escape(matcher.value)
    return any(bool(re.fullmatch(pattern, value)) != is_negative for value in values)
