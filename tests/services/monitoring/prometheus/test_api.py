"""Prometheus's HTTP API, asked as Grafana asks it."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterator, Mapping
from typing import Any

import cramjam
import httpx
import numpy as np
import pytest
from typing_extensions import override

from servicekit.clock import ManualClock, SystemClock
from servicekit.instruments import Instruments
from services.monitoring.ingest import Intake
from services.monitoring.metrics import IngestSignals, QueryMetrics
from services.monitoring.prometheus import Evaluator, PrometheusApi, Queries, QuerySignals, TooBusy
from services.monitoring.prometheus import answers as written
from services.monitoring.prometheus.evaluator import CONCURRENCY
from services.monitoring.promql import Cancellation, Cancelled, Engine, Labels
from services.monitoring.windows import Windows
from services.monitoring.wire.remote_write import lean

CLOCK = ManualClock()
NOW = int(CLOCK.now().timestamp())


@pytest.fixture
def windows() -> Windows:
    windows = Windows()
    codes = {"200": 2.0, "500": 1.0}
    labels = [
        Labels({"__name__": "requests_total", "job": "shop", "instance": "a", "code": code}) for code in codes
    ]
    numbers = np.array([windows.number_of(each, ("otlp", "shop", "a")) for each in labels])
    for step in range(61):
        at_ms = (NOW - 300 + 5 * step) * 1000
        windows.append(numbers, np.full(2, at_ms), np.array(list(codes.values())) * step)
    return windows


@pytest.fixture
async def ask(windows: Windows) -> AsyncIterator[httpx.AsyncClient]:
    instruments = Instruments("monitoring")
    evaluator = Evaluator(SystemClock(), QueryMetrics(instruments), timeout_seconds=10)
    intake = Intake(windows, CLOCK, IngestSignals(instruments))
    queries = Queries(windows, windows, Engine(), evaluator, CLOCK)
    api = PrometheusApi(queries, intake, instruments.registry)
    transport = httpx.ASGITransport(app=api)  # type: ignore[arg-type]  # ASGI's types are its own
    async with httpx.AsyncClient(transport=transport, base_url="http://monitoring") as client:
        yield client
    evaluator.close()


async def data_of(ask: httpx.AsyncClient, path: str, **parameters: Any) -> Any:
    answer = await ask.get(path, params=parameters)
    assert answer.status_code == 200, answer.text
    assert answer.headers["content-type"] == "application/json"
    document = answer.json()
    assert document["status"] == "success"
    return document["data"]


async def test_an_instant_query_answers_a_vector(ask: httpx.AsyncClient) -> None:
    data = await data_of(ask, "/api/v1/query", query="round(rate(requests_total[1m]), 0.1)", time=NOW)

    assert data["resultType"] == "vector"
    assert {row["metric"]["code"]: row["value"] for row in data["result"]} == {
        "200": [NOW, "0.4"],
        "500": [NOW, "0.2"],
    }


async def test_a_query_without_a_time_is_of_now(ask: httpx.AsyncClient) -> None:
    data = await data_of(ask, "/api/v1/query", query="time()")

    assert data == {"resultType": "scalar", "result": [NOW, str(NOW)]}


async def test_a_form_is_as_good_as_a_query_string(ask: httpx.AsyncClient) -> None:
    answer = await ask.post("/api/v1/query?time=0", data={"query": '"text"', "time": str(NOW)})

    assert answer.json()["data"] == {"resultType": "string", "result": [NOW, "text"]}


async def test_a_range_query_answers_a_matrix(ask: httpx.AsyncClient) -> None:
    span = {"start": NOW - 10, "end": NOW, "step": "5s"}
    data = await data_of(ask, "/api/v1/query_range", query="sum(requests_total)", **span)

    assert data["resultType"] == "matrix"
    assert data["result"] == [{"metric": {}, "values": [[NOW - 10, "174"], [NOW - 5, "177"], [NOW, "180"]]}]


async def test_times_may_be_rfc_3339(ask: httpx.AsyncClient) -> None:
    data = await data_of(ask, "/api/v1/query", query="time()", time="1970-01-01T00:00:10.5Z")

    assert data["result"] == [10.5, "10.5"]


async def test_series_and_labels_are_told(ask: httpx.AsyncClient) -> None:
    series = await data_of(ask, "/api/v1/series", **{"match[]": 'requests_total{code="500"}'})
    labels = await data_of(ask, "/api/v1/labels")
    codes = await data_of(ask, "/api/v1/label/code/values", **{"match[]": "requests_total", "limit": "1"})

    assert series == [{"__name__": "requests_total", "code": "500", "instance": "a", "job": "shop"}]
    assert labels == ["__name__", "code", "instance", "job"]
    assert codes == ["200"]


async def test_series_outside_of_the_time_asked_for_are_not_told(ask: httpx.AsyncClient) -> None:
    assert await data_of(ask, "/api/v1/labels", start="0", end="1000") == []


async def test_it_says_what_it_is(ask: httpx.AsyncClient) -> None:
    assert (await data_of(ask, "/api/v1/status/buildinfo"))["version"].startswith("3.")


async def test_the_metrics_of_the_process_are_on_the_same_port(ask: httpx.AsyncClient) -> None:
    answer = await ask.get("/metrics")

    assert answer.status_code == 200
    assert answer.headers["content-type"].startswith("text/plain")
    assert "# TYPE query_duration_seconds histogram" in answer.text


REFUSED: dict[str, tuple[str, dict[str, str], int, str, str]] = {
    "no query": ("query", {}, 400, "bad_data", "query"),
    "half a query": ("query", {"query": "rate("}, 400, "bad_data", 'invalid parameter "query"'),
    "a time that is none": ("query", {"query": "1", "time": "noon"}, 400, "bad_data", "time"),
    "a time beyond all": ("query", {"query": "1", "time": "1e300"}, 400, "bad_data", "time"),
    "no start": ("query_range", {"query": "1", "end": "1", "step": "1"}, 400, "bad_data", "start"),
    "an end before the start": (
        "query_range", {"query": "1", "start": "2", "end": "1", "step": "1"}, 400, "bad_data", "end",
    ),
    "no step": ("query_range", {"query": "1", "start": "1", "end": "2"}, 400, "bad_data", "step"),
    "a step of nothing": (
        "query_range", {"query": "1", "start": "1", "end": "2", "step": "0"}, 400, "bad_data", "zero or neg",
    ),
    "a billion points": (
        "query_range", {"query": "1", "start": "0", "end": "1e9", "step": "1"}, 400, "bad_data", "11,000",
    ),
    "a match that is not unique": (
        "query", {"query": "requests_total + on(job) requests_total"}, 422, "execution", "",
    ),
    "a regular expression that is none": ("query", {"query": 'x{a=~"("}'}, 400, "bad_data", ""),
    "20,000 parentheses": ("query", {"query": "(" * 20_000}, 400, "bad_data", ""),
    "no selector": ("series", {}, 400, "bad_data", "no match[] parameter provided"),
    "a selector that is none": ("series", {"match[]": "1 + 1"}, 400, "bad_data", 'parameter "match[]"'),
    "a label that cannot be": ("label/a b/values", {}, 400, "bad_data", "invalid label name"),
    "a limit that is none": ("labels", {"limit": "many"}, 400, "bad_data", 'parameter "limit"'),
}  # fmt: skip


@pytest.mark.parametrize(("path", "parameters", "status", "kind", "words"), REFUSED.values(), ids=REFUSED)
async def test_what_makes_no_sense_is_refused_as_prometheus_refuses_it(
    ask: httpx.AsyncClient, path: str, parameters: dict[str, str], status: int, kind: str, words: str
) -> None:
    answer = await ask.get(f"/api/v1/{path}", params=parameters)

    assert answer.status_code == status, answer.text
    document = answer.json()
    assert (document["status"], document["errorType"]) == ("error", kind)
    assert words in document["error"]


async def test_a_path_that_is_not_there_and_a_method_that_is_not(ask: httpx.AsyncClient) -> None:
    assert (await ask.get("/api/v1/nothing")).status_code == 404
    assert (await ask.delete("/api/v1/query")).status_code == 405
    assert (await ask.get("/api/v1/write")).status_code == 405


async def test_a_body_that_is_too_large_or_no_form_is_refused(ask: httpx.AsyncClient) -> None:
    large = await ask.post("/api/v1/query", content=b"x" * (17 * 1024 * 1024))
    other = await ask.post("/api/v1/query", json={"query": "1"})

    assert (large.status_code, other.status_code) == (413, 400)


async def test_what_is_written_can_be_read(ask: httpx.AsyncClient) -> None:
    request = lean.WriteRequest()
    series = request.timeseries.add()
    series.labels.append(lean.Label(name=b"__name__", value=b"up").SerializeToString())
    series.samples.add(timestamp=NOW * 1000, value=1.0)
    request.metadata.add(type=2, metric_family_name=b"up", help=b"Whether it answers.")
    body = bytes(cramjam.snappy.compress_raw(request.SerializeToString()))

    answer = await ask.post("/api/v1/write", content=body, headers={"content-encoding": "snappy"})

    assert (answer.status_code, answer.content) == (204, b"")
    assert (await data_of(ask, "/api/v1/query", query="up"))["result"][0]["value"] == [NOW, "1"]
    assert await data_of(ask, "/api/v1/metadata", metric="up") == {
        "up": [{"type": "gauge", "help": "Whether it answers.", "unit": ""}]
    }


@pytest.mark.parametrize("body", [b"", b"noise", b"\xff" * 100])
async def test_what_is_no_write_is_refused(ask: httpx.AsyncClient, body: bytes) -> None:
    answer = await ask.post("/api/v1/write", content=body)

    assert answer.status_code == 400


async def test_the_next_remote_write_is_refused_as_a_type_that_is_not_taken(ask: httpx.AsyncClient) -> None:
    kind = "application/x-protobuf;proto=io.prometheus.write.v2.Request"

    answer = await ask.post("/api/v1/write", content=b"x", headers={"content-type": kind})

    assert answer.status_code == 415


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (1.0, "1"), (0.1, "0.1"), (1e21, "1000000000000000000000"), (1e-7, "0.0000001"),
        (float("nan"), "NaN"),
        (float("inf"), "+Inf"), (float("-inf"), "-Inf"), (-0.0, "-0"), (123456789.125, "123456789.125"),
    ],
)  # fmt: skip
def test_values_are_written_as_go_writes_them(value: float, text: str) -> None:
    assert written.number(value) == text


@pytest.mark.parametrize(
    ("at_ms", "text"),
    [(0, "0"), (1, "0.001"), (1500, "1.500"), (-1, "-0.001"), (1_700_000_000_000, "1700000000")],
)
def test_times_are_written_in_seconds(at_ms: int, text: str) -> None:
    assert written.seconds(at_ms) == text


class Outcomes(QuerySignals):
    """Remembers how queries fared."""

    def __init__(self) -> None:
        self.seen: list[str] = []

    @override
    def query_ended(self, outcome: str, seconds: float) -> None:
        self.seen.append(outcome)


class Stubborn:
    """Work that runs until it is told to stop, or let go."""

    def __init__(self) -> None:
        self.started = threading.Event()
        self.let_go = threading.Event()

    def __call__(self, cancellation: Cancellation) -> str:
        self.started.set()
        while not self.let_go.wait(0.005):
            cancellation.check()
        return "done"


@pytest.fixture
def outcomes() -> Outcomes:
    return Outcomes()


@pytest.fixture
def evaluator(outcomes: Outcomes) -> Any:
    evaluator = Evaluator(SystemClock(), outcomes, timeout_seconds=0.2)
    yield evaluator
    evaluator.close()


async def test_a_query_that_takes_too_long_ends_in_time(evaluator: Evaluator, outcomes: Outcomes) -> None:
    with pytest.raises(Cancelled, match="timed out in query execution"):
        await evaluator.run(Stubborn())

    assert outcomes.seen == ["timed_out"]


async def test_when_all_are_busy_a_query_waits_no_longer_than_it_may(evaluator: Evaluator) -> None:
    stubborn = [Stubborn() for _ in range(3 * CONCURRENCY)]

    async with asyncio.timeout(5):
        answers = await asyncio.gather(*map(evaluator.run, stubborn), return_exceptions=True)

    assert {type(answer) for answer in answers} == {Cancelled}
    assert any("in query queue" in str(answer) for answer in answers)


async def test_a_caller_that_leaves_stops_the_work_and_gives_its_turn_back(evaluator: Evaluator) -> None:
    work = Stubborn()
    asking = asyncio.create_task(evaluator.run(work))
    await asyncio.to_thread(work.started.wait)

    asking.cancel()

    for _ in range(2 * CONCURRENCY):
        free = Stubborn()
        free.let_go.set()
        assert await evaluator.run(free) == "done"


async def test_a_crowd_is_turned_away(evaluator: Evaluator) -> None:
    crowd = [asyncio.create_task(evaluator.run(Stubborn())) for _ in range(200)]

    answers = await asyncio.gather(*crowd, return_exceptions=True)

    assert {type(answer) for answer in answers} == {Cancelled, TooBusy}


async def test_a_client_that_hangs_up_stops_its_query(windows: Windows, outcomes: Outcomes) -> None:
    evaluator = Evaluator(SystemClock(), outcomes, timeout_seconds=10)
    stubborn = Stubborn()

    class Slow(Queries):
        @override
        async def labels(self, parameters: Any) -> bytes:
            await evaluator.run(stubborn)
            return b""

    instruments = Instruments("monitoring")
    intake = Intake(windows, CLOCK, IngestSignals(instruments))
    api = PrometheusApi(Slow(windows, windows, Engine(), evaluator, CLOCK), intake, instruments.registry)
    sent: list[Mapping[str, Any]] = []

    async def receive() -> Mapping[str, Any]:
        await asyncio.to_thread(stubborn.started.wait)
        return {"type": "http.disconnect"}

    async def send(message: Mapping[str, Any]) -> None:
        sent.append(message)

    scope = {"path": "/api/v1/labels", "method": "GET", "query_string": b"", "headers": []}
    await asyncio.wait_for(api(scope, receive, send), 5)

    assert sent == []
    assert outcomes.seen == ["failed"]
    evaluator.close()
