"""OTLP by a real client over a real server: what is kept, and what hostile bodies get."""

import asyncio
import math
from collections.abc import AsyncIterator, Callable, Iterable
from typing import Any

import grpc
import pytest
from opentelemetry.proto.collector.metrics.v1 import metrics_service_pb2 as pb
from opentelemetry.proto.collector.metrics.v1 import metrics_service_pb2_grpc as pb_grpc
from opentelemetry.proto.common.v1.common_pb2 import AnyValue, ArrayValue, KeyValue
from opentelemetry.proto.metrics.v1 import metrics_pb2 as m
from opentelemetry.proto.resource.v1.resource_pb2 import Resource
from pydantic import SecretStr

from servicekit.clock import ManualClock
from servicekit.instruments import Instruments
from servicekit.otlp import MetricsPush
from servicekit.settings import ServiceSettings
from services.monitoring.ingest import Intake, Limits
from services.monitoring.metrics import IngestSignals
from services.monitoring.promql import Matcher, Series
from services.monitoring.servicer import MetricsServicer, add_metrics_servicer
from services.monitoring.windows import Windows
from services.monitoring.wire.otlp import lean

CUMULATIVE = m.AGGREGATION_TEMPORALITY_CUMULATIVE
DELTA = m.AGGREGATION_TEMPORALITY_DELTA
NO_CONTEXT: Any = None
NOW = int(ManualClock().now().timestamp() * 1_000_000_000)


@pytest.fixture
def instruments() -> Instruments:
    return Instruments("monitoring")


class Kept:
    """What came in, and what is kept of it."""

    def __init__(self, instruments: Instruments) -> None:
        self.windows = Windows()
        signals = IngestSignals(instruments)
        self.intake = Intake(self.windows, ManualClock(), signals, limits=Limits(series=100))

    def of(self, name: str) -> list[Series]:
        return list(self.windows.select([Matcher("__name__", "=", name)], 0, 1 << 60))

    def values(self, name: str) -> list[float]:
        return [float(series.values[-1]) for series in self.of(name)]


@pytest.fixture
def kept(instruments: Instruments) -> Kept:
    return Kept(instruments)


@pytest.fixture
async def channel(kept: Kept) -> AsyncIterator[grpc.aio.Channel]:
    server = grpc.aio.server()
    add_metrics_servicer(MetricsServicer(kept.intake), server)
    port = server.add_insecure_port("127.0.0.1:0")
    await server.start()
    async with grpc.aio.insecure_channel(f"127.0.0.1:{port}") as channel:
        yield channel
    await server.stop(None)


@pytest.fixture
def export(channel: grpc.aio.Channel) -> Callable[..., Any]:
    stub = pb_grpc.MetricsServiceStub(channel)  # type: ignore[no-untyped-call]

    async def export(*metrics: m.Metric, service: str = "orders") -> Any:
        attributes = [attribute("service.name", service), attribute("service.instance.id", "1")]
        resource = m.ResourceMetrics(
            resource=Resource(attributes=attributes), scope_metrics=[m.ScopeMetrics(metrics=metrics)]
        )
        answer = await stub.Export(pb.ExportMetricsServiceRequest(resource_metrics=[resource]), timeout=10)
        return answer.partial_success

    return export


def attribute(name: str, value: str) -> KeyValue:
    return KeyValue(key=name, value=AnyValue(string_value=value))


def point(value: float = 1.0, attributes: Iterable[KeyValue] = (), **changed: Any) -> m.NumberDataPoint:
    given: dict[str, Any] = {"as_double": value, "attributes": attributes, "time_unix_nano": NOW}
    return m.NumberDataPoint(**(given | changed))


def counter(*points: m.NumberDataPoint, name: str = "c_total", temporality: Any = CUMULATIVE) -> m.Metric:
    data = m.Sum(data_points=points, is_monotonic=True, aggregation_temporality=temporality)
    return m.Metric(name=name, sum=data)


def gauge(*points: m.NumberDataPoint, name: str = "g") -> m.Metric:
    return m.Metric(name=name, gauge=m.Gauge(data_points=points))


def histogram(temporality: Any = CUMULATIVE, **fields: Any) -> m.Metric:
    given: dict[str, Any] = {
        "count": 3,
        "sum": 1.5,
        "bucket_counts": [1, 2],
        "explicit_bounds": [0.5],
        "time_unix_nano": NOW,
    }
    data = m.HistogramDataPoint(**(given | fields))
    return m.Metric(name="h", histogram=m.Histogram(data_points=[data], aggregation_temporality=temporality))


def value(instruments: Instruments, name: str, **labels: str) -> float:
    return instruments.registry.get_sample_value(name, labels) or 0.0


async def test_counters_and_gauges_are_kept_under_the_names_of_their_sender(
    export: Callable[..., Any], kept: Kept, instruments: Instruments
) -> None:
    refusal = await export(counter(point(3)), gauge(point(as_double=-2.5)), gauge(point(as_int=7), name="i"))

    assert refusal == pb.ExportMetricsPartialSuccess()
    assert [kept.values(name) for name in ("c_total", "g", "i")] == [[3.0], [-2.5], [7.0]]
    assert kept.of("g")[0].labels == {"__name__": "g", "instance": "1", "job": "orders"}
    assert kept.of("g")[0].timestamps.tolist() == [NOW // 1_000_000]
    assert value(instruments, "ingest_points_received_total", protocol="otlp") == 3
    assert value(instruments, "ingest_senders", state="heard") == 1


async def test_a_histogram_becomes_the_series_of_prometheus(
    export: Callable[..., Any], kept: Kept, instruments: Instruments
) -> None:
    await export(histogram(bucket_counts=[1, 2, 4], explicit_bounds=[0.5, 1], count=7))

    buckets = {series.labels["le"]: float(series.values[0]) for series in kept.of("h_bucket")}
    assert buckets == {"0.5": 1, "1.0": 3, "+Inf": 7}
    assert (kept.values("h_sum"), kept.values("h_count")) == ([1.5], [7.0])
    assert value(instruments, "ingest_points_received_total", protocol="otlp") == 1


async def test_a_histogram_whose_bounds_change_goes_on_under_the_new_ones(
    export: Callable[..., Any], kept: Kept
) -> None:
    await export(histogram())
    await export(histogram(explicit_bounds=[0.7], time_unix_nano=NOW + 5_000_000_000))

    assert sorted(series.labels["le"] for series in kept.of("h_bucket")) == ["+Inf", "0.5", "0.7"]
    assert [len(series.values) for series in kept.of("h_count")] == [2]


async def test_a_histogram_of_known_bounds_with_another_number_of_buckets_is_refused(
    export: Callable[..., Any], kept: Kept
) -> None:
    await export(histogram())

    refusal = await export(histogram(bucket_counts=[1, 1, 1], time_unix_nano=NOW + 5_000_000_000))

    assert refusal.error_message == "refused: bad_value: 1, first in 'h'"
    assert [len(series.values) for series in kept.of("h_count")] == [1]


async def test_names_are_made_prometheus_names(export: Callable[..., Any], kept: Kept) -> None:
    named = m.Metric(
        name="http.requests",
        unit="{request}",
        sum=m.Sum(
            data_points=[point(1, [attribute("http.method", "GET")])],
            is_monotonic=True,
            aggregation_temporality=CUMULATIVE,
        ),
    )

    await export(named)

    assert [dict(series.labels) for series in kept.of("http_requests_total")] == [
        {"__name__": "http_requests_total", "http_method": "GET", "instance": "1", "job": "orders"}
    ]
    assert kept.intake.metrics["http_requests_total"].unit == "{request}"


async def test_labels_are_texts_and_empty_ones_are_none(export: Callable[..., Any], kept: Kept) -> None:
    attributes = [
        attribute("z", "text"),
        KeyValue(key="d", value=AnyValue(double_value=0.5)),
        KeyValue(key="b", value=AnyValue(bool_value=True)),
        KeyValue(key="i", value=AnyValue(int_value=7)),
        attribute("empty", ""),
        KeyValue(key="unset"),
    ]

    await export(gauge(point(1, attributes)))

    labels = kept.of("g")[0].labels.without(["__name__", "job", "instance"])
    assert labels == {"b": "true", "d": "0.5", "i": "7", "z": "text"}


async def test_one_series_written_in_two_ways_is_one(export: Callable[..., Any], kept: Kept) -> None:
    one, other = attribute("a", "1"), attribute("b", "2")

    await export(gauge(point(1, [one, other])))
    await export(gauge(point(2, [other, one], time_unix_nano=NOW + 5_000_000_000)))

    assert [series.values.tolist() for series in kept.of("g")] == [[1.0, 2.0]]


NO_VALUE = m.DATA_POINT_FLAGS_NO_RECORDED_VALUE_MASK
TWICE = [attribute("a", "1"), attribute("a", "2")]
LIST = [KeyValue(key="a", value=AnyValue(array_value=ArrayValue(values=[AnyValue(int_value=1)])))]

HOSTILE: dict[str, tuple[m.Metric, str, int]] = {
    "a thousand labels": (
        gauge(point(1, [attribute(f"l{number}", "x") for number in range(1_000)])),
        "too_many_labels",
        1,
    ),
    "a label of a megabyte": (gauge(point(1, [attribute("a", "x" * 1_000_000)])), "too_long", 1),
    "a label twice": (gauge(point(1, TWICE)), "bad_labels", 1),
    "a list for a label": (histogram(attributes=LIST), "bad_labels", 1),
    "a name of a megabyte": (gauge(point(), name="n" * 1_000_000), "too_long", 1),
    "no name": (gauge(point(), name=""), "unnamed", 1),
    "a counter that is no number": (counter(point(math.nan)), "bad_value", 1),
    "a counter below zero": (counter(point(as_int=-1)), "bad_value", 1),
    "points without a value": (gauge(m.NumberDataPoint(time_unix_nano=NOW)), "no_value", 1),
    "points that say they have none": (gauge(point(flags=NO_VALUE), point(flags=NO_VALUE)), "no_value", 2),
    "a histogram that says it has none": (histogram(flags=NO_VALUE), "no_value", 1),
    "no time": (gauge(point(time_unix_nano=0)), "no_time", 1),
    "the end of time": (gauge(point(time_unix_nano=2**64 - 1)), "in_future", 1),
    "buckets that do not add up": (histogram(count=2**64 - 1), "bad_value", 1),
    "buckets without bounds": (histogram(explicit_bounds=[]), "bad_value", 1),
    "ten thousand buckets": (
        histogram(bucket_counts=[0] * 10_000, explicit_bounds=map(float, range(9_999)), count=0),
        "too_many_buckets",
        1,
    ),
    "a counter of differences": (
        counter(point(), point(), temporality=DELTA),
        "unsupported_temporality",
        2,
    ),
    "a histogram of differences": (histogram(DELTA), "unsupported_temporality", 1),
    "a counter of nothing stated": (counter(point(), temporality=0), "unsupported_temporality", 1),
    "a summary": (
        m.Metric(name="s", summary=m.Summary(data_points=[m.SummaryDataPoint()])),
        "unsupported_type",
        1,
    ),
    "an exponential histogram": (
        m.Metric(
            name="e",
            exponential_histogram=m.ExponentialHistogram(data_points=[m.ExponentialHistogramDataPoint()] * 3),
        ),
        "unsupported_type",
        3,
    ),
}


@pytest.mark.parametrize(("metric", "reason", "points"), HOSTILE.values(), ids=HOSTILE)
async def test_a_hostile_metric_is_refused_by_reason_while_its_neighbours_are_kept(
    export: Callable[..., Any],
    kept: Kept,
    instruments: Instruments,
    metric: m.Metric,
    reason: str,
    points: int,
) -> None:
    refusal = await export(metric, gauge(point(), name="neighbour"))

    assert refusal.rejected_data_points == points
    assert refusal.error_message.startswith(f"refused: {reason}: {points}, first in ")
    assert len(refusal.error_message) < 300
    assert len(kept.of("neighbour")) == 1
    assert value(instruments, "ingest_points_rejected_total", protocol="otlp", reason=reason) == points
    assert value(instruments, "ingest_points_received_total", protocol="otlp") == points + 1


async def test_metrics_without_points_or_data_are_nothing(export: Callable[..., Any]) -> None:
    refusal = await export(gauge(), m.Metric(name="bare"), m.Metric(name="s", summary=m.Summary()))

    assert refusal == pb.ExportMetricsPartialSuccess()


async def test_a_push_from_nobody_is_refused_whole(export: Callable[..., Any], kept: Kept) -> None:
    refusal = await export(gauge(point(), point()), service="")

    assert refusal.rejected_data_points == 2
    assert "unidentified_sender" in refusal.error_message
    assert kept.of("g") == []


async def test_a_resource_with_attributes_without_end_is_nobody(
    channel: grpc.aio.Channel, kept: Kept
) -> None:
    attributes = [attribute("service.name", "orders"), *(attribute(f"a{n}", "x") for n in range(10_000))]
    metrics = m.ResourceMetrics(
        resource=Resource(attributes=attributes), scope_metrics=[m.ScopeMetrics(metrics=[gauge(point())])]
    )
    stub = pb_grpc.MetricsServiceStub(channel)  # type: ignore[no-untyped-call]

    answer = await stub.Export(pb.ExportMetricsServiceRequest(resource_metrics=[metrics]), timeout=10)

    assert answer.partial_success.error_message == "refused: unidentified_sender: 1, first in 'g'"


async def test_a_flood_of_series_is_cut_at_the_limit_and_told_in_one_line(
    export: Callable[..., Any], kept: Kept
) -> None:
    flood = gauge(*(point(1, [attribute("n", str(number))]) for number in range(5_000)))

    refusal = await export(flood)

    assert refusal.rejected_data_points == 4_900
    assert refusal.error_message == "refused: too_many_series: 4900, first in 'g'"
    assert len(kept.of("g")) == 100


async def test_during_a_flood_everybody_else_has_a_turn_every_500_points(kept: Kept) -> None:
    turns = 0

    async def others() -> None:
        nonlocal turns
        while True:
            turns += 1
            await asyncio.sleep(0)

    flood = [gauge(*(point() for _ in range(1_000))) for _ in range(10)]
    sender = Resource(attributes=[attribute("service.name", "orders")])
    resource = m.ResourceMetrics(resource=sender, scope_metrics=[m.ScopeMetrics(metrics=flood)])
    working = asyncio.create_task(others())
    request = pb.ExportMetricsServiceRequest(resource_metrics=[resource])
    await MetricsServicer(kept.intake).Export(
        lean.Request.FromString(request.SerializeToString()), NO_CONTEXT
    )
    working.cancel()

    assert turns >= 20


async def test_what_servicekit_pushes_is_accepted_whole(channel: grpc.aio.Channel, kept: Kept) -> None:
    settings = ServiceSettings(grpc_port=0, http_port=0, mesh_key=SecretStr("k" * 32))
    push = MetricsPush("orders", settings, Instruments("orders"), ManualClock())

    is_accepted = await push.push(channel)

    assert is_accepted
    found = kept.of("otlp_exports_total")
    assert {series.labels["job"] for series in found} == {"orders"}
    assert all(series.labels["instance"] for series in found)
