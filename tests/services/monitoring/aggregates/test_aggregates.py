"""What a metric amounts to, against numbers that were counted beside."""

from __future__ import annotations

import math

import numpy as np
import pytest

from servicekit.errors import InvalidArgument
from services.monitoring.aggregates import Aggregate, Aggregates, Asked, MetricUnknown, TooManyGroups
from services.monitoring.promql import STALE_NAN_BITS, Cancellation, Cancelled, Labels
from services.monitoring.windows import STALE, Keeper, Windows

NOW = 1_700_000_000_000
HOUR = 3_600_000


@pytest.fixture
def windows() -> Windows:
    return Windows()


def push(windows: Windows, at_ms: int, samples: dict[str, float], metric: str, label: str = "sku") -> None:
    """One sample for each value of a label."""
    numbers = [
        windows.number_of(Labels({"__name__": metric, label: value, "job": "shop"}), ("otlp", "shop", "1"))
        for value in samples
    ]
    times = np.full(len(numbers), at_ms)
    windows.append(np.array(numbers), times, np.array(list(samples.values())), now=at_ms / 1000)


def of(windows: Windows, metric: str, window: str, *by: str) -> list[Aggregate]:
    return Aggregates(windows).of(Asked(metric, window, by), NOW, Cancellation())


def test_a_counter_is_what_it_grew_by_whatever_was_restarted(windows: Windows) -> None:
    random = np.random.default_rng(7)
    total, value = 0, 1_000_000
    for step in range(721):
        if step == 300:
            value = 0
        grown = int(random.integers(0, 10)) if step else 0
        value, total = value + grown, total + grown
        push(windows, NOW - HOUR + step * 5_000, {"a": value}, "orders_total")
        Keeper(windows).keep()

    [found] = of(windows, "orders_total", "1h")

    assert (found.count, found.sum) == (total, total)
    assert math.isclose(found.rate, total / 3600)
    assert found.min < found.p50 < found.p95 < found.p99 <= found.max


def test_what_a_counter_had_before_the_window_does_not_count(windows: Windows) -> None:
    push(windows, NOW - 2 * HOUR, {"a": 5}, "orders_total")
    push(windows, NOW - HOUR // 2, {"a": 100}, "orders_total")
    push(windows, NOW, {"a": 103}, "orders_total")

    [found] = of(windows, "orders_total", "1h")

    assert found.count == 3


def test_groups_are_told_apart_by_the_labels_asked_for(windows: Windows) -> None:
    for step in range(3):
        push(windows, NOW - 10_000 + step * 5_000, {"a": step * 1.0, "b": step * 2.0}, "orders_total")

    by_sku = {each.labels["sku"]: each.count for each in of(windows, "orders_total", "24h", "sku")}
    whole = of(windows, "orders_total", "24h")

    assert by_sku == {"a": 2, "b": 4}
    assert [(each.labels, each.count) for each in whole] == [(Labels(), 6)]


def test_a_gauge_is_its_samples(windows: Windows) -> None:
    values = [float(value) for value in range(1, 101)]
    for step, value in enumerate(values):
        push(windows, NOW - 500_000 + step * 5_000, {"a": value}, "queue_depth")
    push(windows, NOW, {"a": STALE}, "queue_depth")

    [found] = of(windows, "queue_depth", "1h")

    assert (found.count, found.sum, found.min, found.max, found.mean) == (100, 5_050, 1, 100, 50.5)
    assert [found.p50, found.p95, found.p99] == np.quantile(values, [0.5, 0.95, 0.99]).tolist()
    assert hex(STALE_NAN_BITS) == "0x7ff0000000000002"


def test_a_histogram_is_what_was_measured_between_the_first_and_the_last_push(windows: Windows) -> None:
    random = np.random.default_rng(7)
    measured = random.exponential(1.0, 10_000)
    bounds = [0.1, 0.5, 1.0, 2.0, 4.0, 8.0]
    for step, share in enumerate((0, 4_000, 10_000)):
        seen = measured[:share]
        at_ms = NOW - 100_000 + step * 50_000
        buckets = {str(bound): float((seen <= bound).sum()) for bound in bounds} | {"+Inf": float(seen.size)}
        push(windows, at_ms, buckets, "wait_seconds_bucket", "le")
        push(windows, at_ms, {"x": float(seen.size)}, "wait_seconds_count", "none")
        push(windows, at_ms, {"x": float(seen.sum())}, "wait_seconds_sum", "none")

    [found] = of(windows, "wait_seconds", "1h")

    assert found.count == 10_000
    assert math.isclose(found.mean, measured.mean())
    assert abs(found.p50 - np.quantile(measured, 0.5)) < 0.1
    assert abs(found.p95 - np.quantile(measured, 0.95)) < 0.5
    assert (found.min, found.max) == (0.0, 8.0)


def test_a_week_is_counted_to_the_last_unit(windows: Windows) -> None:
    keeper, minutes = Keeper(windows), 7 * 24 * 60
    for minute in range(minutes + 1):
        at_ms = NOW - 7 * 24 * HOUR + minute * 60_000
        push(windows, at_ms, {"a": minute * 3.0}, "orders_total")
        windows.rest(at_ms / 1000)
        if minute % 500 == 0:
            keeper.keep()

    [found] = of(windows, "orders_total", "7d")

    assert found.count == 3 * minutes
    assert math.isclose(found.p50, 0.05, rel_tol=0.05)


def test_a_metric_that_nobody_has_is_unknown(windows: Windows) -> None:
    with pytest.raises(MetricUnknown, match="no_such"):
        of(windows, "no_such", "1h")


def test_every_fault_of_a_question_is_told_at_once() -> None:
    with pytest.raises(InvalidArgument) as refused:
        Asked('a{b="c"}', "2h", ("ok", "n o"))

    assert [violation.field for violation in refused.value.violations] == ["metric", "window", "by[1]"]


def test_more_groups_than_anybody_would_read_are_refused(windows: Windows) -> None:
    push(windows, NOW, {f"sku{number}": 1.0 for number in range(1_001)}, "depth")

    with pytest.raises(TooManyGroups):
        of(windows, "depth", "1h", "sku")


def test_it_can_be_stopped(windows: Windows) -> None:
    push(windows, NOW, {"a": 1.0}, "depth")
    stopped = Cancellation()
    stopped.cancel()

    with pytest.raises(Cancelled):
        Aggregates(windows).of(Asked("depth", "1h"), NOW, stopped)
