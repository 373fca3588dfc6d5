"""The engine's face: results, limits, cancellation, exact errors."""

import threading
from itertools import count

import numpy as np
import pytest

from services.monitoring.promql import (
    PROMETHEUS_2,
    BadRange,
    Cancellation,
    Cancelled,
    Dialect,
    Engine,
    Labels,
    LimitExceeded,
    Limits,
    Matcher,
    MatrixResult,
    MemorySource,
    ParseError,
    Result,
    ScalarResult,
    Series,
    StringResult,
    Unsupported,
    VectorResult,
)

MINUTE = 60_000
TIMES = np.arange(0, 60 * MINUTE, MINUTE, dtype=np.int64)


def _series(index: int) -> Series:
    labels = Labels({"__name__": "x_total", "i": str(index)})
    return Series(labels, TIMES, np.arange(60, dtype=np.float64) * index)


SOURCE = MemorySource([_series(index) for index in range(10)])


def _instant(text: str, limits: Limits | None = None, dialect: Dialect | None = None) -> Result:
    engine = Engine(limits or Limits(), dialect or Dialect())
    return engine.instant(engine.parse(text), SOURCE, 30 * MINUTE)


def _range(text: str, limits: Limits | None = None, step_ms: int = MINUTE) -> Result:
    engine = Engine(limits or Limits())
    return engine.range(engine.parse(text), SOURCE, 10 * MINUTE, 20 * MINUTE, step_ms)


def test_each_kind_of_result_has_a_type_of_its_own() -> None:
    assert _instant("1 + 1").value == ScalarResult(30 * MINUTE, 2.0)
    assert _instant('"text"').value == StringResult(30 * MINUTE, "text")
    assert isinstance(_instant("x_total").value, VectorResult)
    assert isinstance(_instant("x_total[5m]").value, MatrixResult)
    assert isinstance(_instant("x_total[5m:1m]").value, MatrixResult)
    assert isinstance(_range("x_total").value, MatrixResult)
    assert isinstance(_range("time()").value, MatrixResult)


def test_a_vector_is_one_row_of_labels_and_values() -> None:
    result = _instant('x_total{i=~"[34]"}').value

    assert isinstance(result, VectorResult)
    assert [labels["i"] for labels in result.labels] == ["3", "4"]
    assert result.values.tolist() == [90.0, 120.0]


def test_series_without_gaps_share_their_timestamps() -> None:
    result = _range("x_total").value

    assert isinstance(result, MatrixResult)
    assert len({id(series.timestamps) for series in result.series}) == 1


@pytest.mark.parametrize("text", ["x_total[5m]", '"text"', "x_total[5m:1m]"])
def test_a_range_query_is_of_scalars_and_instant_vectors(text: str) -> None:
    with pytest.raises(BadRange, match="must be Scalar or instant Vector"):
        _range(text)


def test_more_than_11_000_steps_are_refused_in_prometheus_words() -> None:
    with pytest.raises(BadRange, match="exceeded maximum resolution of 11,000 points per timeseries"):
        _range("x_total", step_ms=50)


def test_a_step_must_be_positive_and_time_go_forward() -> None:
    engine = Engine()
    query = engine.parse("x_total")

    with pytest.raises(BadRange, match="zero or negative"):
        engine.range(query, SOURCE, 0, 1, 0)
    with pytest.raises(BadRange, match="end timestamp must not be before start time"):
        engine.range(query, SOURCE, 1, 0, 1)
    with pytest.raises(BadRange, match="time is out of range"):
        engine.instant(query, SOURCE, 2**62)


@pytest.mark.parametrize(
    ("text", "limits", "message"),
    [
        ("x_total", Limits(series=9), "selector finds 10 series, more than 9"),
        ("x_total", Limits(samples=9), "would load too many samples into memory"),
        ("rate(x_total[10m])", Limits(scanned=99), "would read more than 99 samples"),
        ("vector(1)[1h:1ms]", Limits(), "subquery has 3600000 steps, more than 1000000"),
        ("sum_over_time(vector(1)[100y:1ms])", Limits(), "subquery has 3153600000000 steps"),
        ("x_total + x_total", Limits(samples=25), "would load too many samples into memory"),
    ],
)
def test_a_query_that_needs_too_much_is_refused(text: str, limits: Limits, message: str) -> None:
    with pytest.raises(LimitExceeded, match=message):
        _instant(text, limits)


def test_a_cancelled_query_stops() -> None:
    engine, cancellation = Engine(), Cancellation()
    cancellation.cancel()

    with pytest.raises(Cancelled, match="query was canceled in query execution"):
        engine.instant(engine.parse("x_total"), SOURCE, 0, cancellation)


def test_a_query_stops_when_its_time_is_up() -> None:
    moments = iter([0.0, 1.0, 11.0])
    cancellation = Cancellation(10, clock=lambda: next(moments))
    engine = Engine()

    with pytest.raises(Cancelled, match="query timed out"):
        engine.instant(engine.parse("x_total"), SOURCE, 0, cancellation)


def test_windows_that_overlap_count_each_time_they_are_read() -> None:
    engine = Engine()
    query = engine.parse("quantile_over_time(0.5, vector(1)[1d:1s])")

    with pytest.raises(LimitExceeded, match="would read more than 500000000 samples"):
        engine.range(query, SOURCE, 0, 11_000 * MINUTE - MINUTE, MINUTE)


def test_a_query_is_asked_to_stop_between_the_windows_of_one_series() -> None:
    def checks(function: str) -> int:
        clock = count()
        engine = Engine()
        query = engine.parse(f"{function}(x_total[20m])")
        engine.range(query, SOURCE, 0, 60 * MINUTE, 10_000, Cancellation(1e9, lambda: float(next(clock))))
        return next(clock)

    assert checks("mad_over_time") >= checks("count_over_time") + 20


def test_one_engine_and_one_query_serve_many_threads() -> None:
    engine = Engine()
    query = engine.parse("sum(rate(x_total[5m]))")
    sums: list[float] = []

    def ask() -> None:
        result = engine.instant(query, SOURCE, 30 * MINUTE).value
        assert isinstance(result, VectorResult)
        sums.append(float(result.values[0]))

    threads = [threading.Thread(target=ask) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert sums == [pytest.approx(0.75)] * 8


def test_version_2_includes_both_ends_of_a_range() -> None:
    new, old = (
        _instant("count_over_time(x_total[5m])"),
        _instant("count_over_time(x_total[5m])", None, PROMETHEUS_2),
    )

    assert isinstance(new.value, VectorResult)
    assert isinstance(old.value, VectorResult)
    assert (new.value.values[0], old.value.values[0]) == (5.0, 6.0)


def test_names_go_at_once_or_at_the_end() -> None:
    text = 'label_replace(rate(x_total{i="1"}[5m]), "was", "$1", "__name__", "(.*)")'
    now, late = _instant(text), _instant(text, None, Dialect(delayed_name_removal=True))

    assert isinstance(now.value, VectorResult)
    assert isinstance(late.value, VectorResult)
    assert list(now.value.labels) == [Labels({"i": "1"})]
    assert list(late.value.labels) == [Labels({"i": "1", "was": "x_total"})]


def test_what_is_not_supported_is_an_error_when_it_is_parsed() -> None:
    engine = Engine()

    for text in ("histogram_count(x)", "histogram_avg(x)", "info(x)", 'x{a="b" or c="d"}', r'"\xff"'):
        with pytest.raises(Unsupported):
            engine.parse(text)


@pytest.mark.parametrize(
    "text", ["", "x +", "rate(x)", "sum(1)", '{a=~"("}', "x[0s]", "(x", '"open', "1 and 1", "\ud800"]
)
def test_what_is_not_promql_is_a_parse_error(text: str) -> None:
    with pytest.raises(ParseError):
        Engine().parse(text)


def test_a_series_selector_is_its_matchers() -> None:
    engine = Engine()

    assert engine.selector('x{a=~"b"}') == (Matcher("__name__", "=", "x"), Matcher("a", "=~", "b"))
    for text in ("sum(x)", "x[5m]", "x offset 5m", "1"):
        with pytest.raises(ParseError, match="not a series selector"):
            engine.selector(text)
