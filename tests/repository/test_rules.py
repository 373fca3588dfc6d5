"""Rules read what exists, and alerts say how bad, since how many, and what to do."""

from __future__ import annotations

import re
from collections import Counter
from typing import Any

import promql_parser as parser
import pytest

from services.monitoring.promql import Engine
from tests.repository.expressions import ROOT, RULES, Vocabulary, declarations, nodes, rules_of, vocabulary

SEVERITIES = {"critical", "warning"}
"""Critical wakes somebody; a warning is for working hours (docs/alerts.md)."""

ANNOTATIONS = {"summary", "description", "minimum_sample", "runbook_url"}
RECORDED = re.compile(r"[a-z_]+:[a-z_]+:[a-z_]*[0-9a-z]+")
"""level:metric:operations, as Prometheus's own guide names recordings."""

ALL: list[dict[str, Any]] = [rule for file in RULES for rule in rules_of(file)]
ALERTS = {rule["alert"]: rule for rule in ALL if "alert" in rule}
UNIT_TESTS = "\n".join(file.read_text() for file in (ROOT / "observability/rules/tests").glob("*.yml"))


def divides(expression: str) -> bool:
    return any(
        isinstance(node, parser.BinaryExpr) and str(node.op) == "/"
        for node in nodes(parser.parse(expression))
    )


def reads_a_ratio(alert: dict[str, Any]) -> bool:
    return divides(alert["expr"]) or ":ratio_" in alert["expr"] or "histogram_quantile" in alert["expr"]


@pytest.mark.parametrize("rule", ALL, ids=lambda rule: rule.get("record") or rule["alert"])
def test_a_rule_reads_what_exists(rule: dict[str, Any]) -> None:
    assert list(vocabulary().faults(rule["expr"])) == []


@pytest.mark.parametrize("rule", ALL, ids=lambda rule: rule.get("record") or rule["alert"])
def test_our_own_engine_takes_the_rule(rule: dict[str, Any]) -> None:
    query = Engine().parse(rule["expr"])

    assert query.kind == "vector"


def test_names_are_unique_and_recordings_say_what_they_are() -> None:
    names = Counter(rule.get("record") or rule["alert"] for rule in ALL)

    assert [name for name, times in names.items() if times > 1] == []
    assert [
        rule["record"] for rule in ALL if "record" in rule and not RECORDED.fullmatch(rule["record"])
    ] == []


@pytest.mark.parametrize("name", ALERTS)
def test_an_alert_says_how_bad_and_what_to_do(name: str) -> None:
    alert = ALERTS[name]

    assert alert["labels"]["severity"] in SEVERITIES
    assert alert["annotations"].keys() == ANNOTATIONS
    assert alert["annotations"]["runbook_url"] == f"observability/runbooks/{name}.md"
    assert "for" in alert


@pytest.mark.parametrize("name", [name for name, alert in ALERTS.items() if reads_a_ratio(alert)])
def test_a_share_alerts_only_from_a_minimum_sample_on(name: str) -> None:
    sample = re.search(r"and .*>= (\d+)\s*$", ALERTS[name]["expr"])

    assert sample
    said = ALERTS[name]["annotations"]["minimum_sample"].replace(",", "")
    assert said.startswith(f"{sample[1]} ")


def test_the_guide_to_alerts_has_a_row_for_each() -> None:
    rows = re.findall(r"^\| `(\w+)` \| (\w+) \|", (ROOT / "docs" / "alerts.md").read_text(), re.MULTILINE)

    assert dict(rows) == {name: alert["labels"]["severity"] for name, alert in ALERTS.items()}


@pytest.mark.parametrize("name", ALERTS)
def test_an_alert_has_unit_tests_that_see_it_fire_and_see_it_silent(name: str) -> None:
    cases = re.findall(rf"alertname: {name}\n\s+exp_alerts:( \[\])?", UNIT_TESTS)

    assert " []" in cases
    assert "" in cases


def test_control_a_dead_expression_would_be_found() -> None:
    words = Vocabulary(
        declarations(), [{"record": "a:b:c", "expr": "sum by (outcome) (orders_settled_total)"}]
    )

    def faults(text: str) -> list[str]:
        return list(words.faults(text))

    assert faults("orders_settled") == ["orders_settled is neither declared nor recorded"]
    assert faults('rate(orders_settled_total{state="x"}[5m])') == ["orders_settled_total has no label state"]
    assert len(faults('orders_settled_total{outcome="complete"}')) == 1
    assert len(faults('orders_settled_total{outcome=~"complete"}')) == 1
    assert len(faults("sum by (sku) (rate(orders_settled_total[5m]))")) == 1
    assert len(faults("a:b:c / on (instance) a:b:c")) == 1
    assert faults('a:b:c{outcome="completed"} / on (outcome) a:b:c') == []
    assert faults("histogram_quantile(0.9, sum by (le) (rate(order_settlement_seconds_bucket[5m])))") == []
    assert len(faults('order_settlement_seconds_bucket{le="0.3"}')) == 1
