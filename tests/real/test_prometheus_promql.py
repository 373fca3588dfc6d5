"""The same random data and queries, in our engine and in a real Prometheus: no difference at 1e-9."""

import math
from collections.abc import Iterator, Mapping
from itertools import islice
from typing import Any

import pytest

from services.monitoring.promql import (
    PROMETHEUS_2,
    Engine,
    Labels,
    MatrixResult,
    MemorySource,
    QueryError,
    Result,
    ScalarResult,
    VectorResult,
)
from tests.real import prometheus
from tests.real.expressions import Queries
from tests.real.prometheus import Prometheus, running_prometheus
from tests.real.samples import END_MS, START_MS, random_series

SEED = 20_261_123
INSTANTS = 2_000
RANGES = 200
TOLERANCE = 1e-9

pytestmark = [
    pytest.mark.proof,
    pytest.mark.skipif(prometheus.BINARY is None, reason=prometheus.MISSING),
]

Points = dict[Labels, dict[int, float]]


@pytest.fixture(scope="module")
def real() -> Iterator[Prometheus]:
    with running_prometheus() as server:
        server.write(random_series(SEED))
        yield server


@pytest.fixture(scope="module")
def source() -> MemorySource:
    return MemorySource(random_series(SEED))


def test_instant_queries_agree_with_a_real_prometheus(real: Prometheus, source: MemorySource) -> None:
    engine = Engine(dialect=PROMETHEUS_2)
    step = (END_MS - START_MS) // INSTANTS
    mismatches, elements = [], 0
    for index, query in enumerate(islice(Queries(SEED), INSTANTS)):
        time = START_MS + 7_500 * (index * step // 7_500)
        ours = _answered(lambda query=query, time=time: engine.instant(engine.parse(query), source, time))
        theirs = _read(real.query(query, time), time)
        elements += sum(map(len, (theirs or {}).values()))
        if fault := _difference(ours, theirs):
            mismatches.append(f"{query} @ {time}: {fault}")

    print(f"seed {SEED}: {INSTANTS} instant queries, {elements} elements, {len(mismatches)} mismatches")
    assert not mismatches, "\n".join(mismatches[:20])


def test_range_queries_agree_with_a_real_prometheus(real: Prometheus, source: MemorySource) -> None:
    engine = Engine(dialect=PROMETHEUS_2)
    mismatches, elements = [], 0
    for index, query in enumerate(islice(Queries(SEED + 1), RANGES)):
        start, step = START_MS + 600_000 + 1_000 * index, (15_000, 60_000, 37_000, 300_000)[index % 4]
        end = start + 40 * step
        ours = _answered(
            lambda query=query, span=(start, end, step): engine.range(engine.parse(query), source, *span)
        )
        theirs = _read(real.query_range(query, start, end, step), start)
        elements += sum(map(len, (theirs or {}).values()))
        if fault := _difference(ours, theirs):
            mismatches.append(f"{query} from {start} step {step}: {fault}")

    print(f"seed {SEED}: {RANGES} range queries, {elements} elements, {len(mismatches)} mismatches")
    assert not mismatches, "\n".join(mismatches[:20])


def test_the_rules_of_version_3_would_be_noticed(real: Prometheus, source: MemorySource) -> None:
    engine = Engine()
    query = "count_over_time(info[1m])"
    time = START_MS + 600_000

    ours = _answered(lambda: engine.instant(engine.parse(query), source, time))

    assert _difference(ours, _read(real.query(query, time), time))


def _answered(ask: Any) -> Points | None:
    """Return our answer, or `None` for an error."""
    try:
        result: Result = ask()
    except QueryError:
        return None
    match result.value:
        case ScalarResult(time_ms=time, value=value):
            return {Labels(): {time: value}}
        case VectorResult(time_ms=time, labels=labels, values=values):
            return {each: {time: value} for each, value in zip(labels, values.tolist(), strict=True)}
        case MatrixResult(series=series):
            return {
                each.labels: dict(zip(each.timestamps.tolist(), each.values.tolist(), strict=True))
                for each in series
            }
        case other:
            raise AssertionError(other)


def _read(answer: Mapping[str, Any], time: int) -> Points | None:
    """Return Prometheus's answer, or `None` for an error in executing it."""
    if answer["status"] == "error":
        assert answer["errorType"] == "execution", answer
        return None
    data = answer["data"]
    match data["resultType"]:
        case "scalar":
            return {Labels(): {time: float(data["result"][1])}}
        case "vector":
            return {Labels(each["metric"]): {time: float(each["value"][1])} for each in data["result"]}
        case _:
            return {
                Labels(each["metric"]): {round(at * 1000): float(value) for at, value in each["values"]}
                for each in data["result"]
            }


def _difference(ours: Points | None, theirs: Points | None) -> str | None:
    """Return in what two answers differ, or `None`."""
    if ours is None or theirs is None:
        return None if ours is theirs else f"ours {ours}, theirs {theirs}"
    if ours.keys() != theirs.keys():
        return (
            f"only ours {[*map(str, ours.keys() - theirs)]}, only theirs {[*map(str, theirs.keys() - ours)]}"
        )
    for labels, points in theirs.items():
        if points.keys() != ours[labels].keys():
            return f"{labels} at {sorted(ours[labels])} instead of {sorted(points)}"
        for time, value in points.items():
            if not _is_close(ours[labels][time], value):
                return f"{labels} at {time} is {ours[labels][time]!r} instead of {value!r}"
    return None


def _is_close(ours: float, theirs: float) -> bool:
    if math.isnan(theirs) or math.isinf(theirs):
        return ours == theirs or (math.isnan(ours) and math.isnan(theirs))
    return math.isclose(ours, theirs, rel_tol=TOLERANCE, abs_tol=TOLERANCE)
