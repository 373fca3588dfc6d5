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
from services.monitoring.ingest import Histogram, LastValues, Limits, Sender
from services.monitoring.metrics import IngestSignals
from services.monitoring.servicer import MetricsServicer

CUMULATIVE = m.AGGREGATION_TEMPORALITY_CUMULATIVE
DELTA = m.AGGREGATION_TEMPORALITY_DELTA
NO_CONTEXT: Any = None
NOW = int(ManualClock().now().timestamp() * 1_000_000_000)


@pytest.fixture
def instruments() -> Instruments:
    return Instruments("monitoring")


@pytest.fixture
def values(instruments: Instruments) -> LastValues:
    signals = IngestSignals(instruments)
    return LastValues(ManualClock(), signals, silent_after_seconds=20, limits=Limits(series=100))


@pytest.fixture
async def channel(values: LastValues) -> AsyncIterator[grpc.aio.Channel]:
    server = grpc.aio.server()
    pb_grpc.add_MetricsServiceServicer_to_server(MetricsServicer(values), server)  # type: ignore[no-untyped-call]
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


async def test_counters_gauges_and_histograms_are_kept(
    export: Callable[..., Any], values: LastValues, instruments: Instruments
) -> None:
    refusal = await export(counter(point(3)), gauge(point(as_double=-2.5)), histogram())

    assert refusal == pb.ExportMetricsPartialSuccess()
    kept = [values.latest(name)[0] for name in ("c_total", "g", "h")]
    assert [reading.sample.value for reading in kept] == [3.0, -2.5, Histogram((0.5,), (1, 2), 3, 1.5)]
    assert {reading.sender for reading in kept} == {Sender("orders", "1")}
    assert value(instruments, "otlp_points_received_total") == 3
    assert value(instruments, "otlp_senders", state="heard") == 1


async def test_labels_are_texts_sorted_and_empty_ones_are_none(
    export: Callable[..., Any], values: LastValues
) -> None:
    attributes = [
        attribute("z", "text"),
        KeyValue(key="d", value=AnyValue(double_value=0.5)),
        KeyValue(key="b", value=AnyValue(bool_value=True)),
        KeyValue(key="i", value=AnyValue(int_value=7)),
        attribute("empty", ""),
        KeyValue(key="unset"),
    ]

    await export(gauge(point(1, attributes)))

    assert values.latest("g")[0].sample.labels == (("b", "true"), ("d", "0.5"), ("i", "7"), ("z", "text"))


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
    values: LastValues,
    instruments: Instruments,
    metric: m.Metric,
    reason: str,
    points: int,
) -> None:
    refusal = await export(metric, gauge(point(), name="neighbour"))

    assert refusal.rejected_data_points == points
    assert refusal.error_message.startswith(f"refused: {reason}: {points}, first in ")
    assert len(refusal.error_message) < 300
    assert len(values.latest("neighbour")) == 1
    assert value(instruments, "otlp_points_rejected_total", reason=reason) == points
    assert value(instruments, "otlp_points_received_total") == points + 1


async def test_metrics_without_points_or_data_are_nothing(export: Callable[..., Any]) -> None:
    refusal = await export(gauge(), m.Metric(name="bare"), m.Metric(name="s", summary=m.Summary()))

    assert refusal == pb.ExportMetricsPartialSuccess()


async def test_a_push_from_nobody_is_refused_whole(export: Callable[..., Any], values: LastValues) -> None:
    refusal = await export(gauge(point(), point()), service="")

    assert refusal.rejected_data_points == 2
    assert "unidentified_sender" in refusal.error_message
    assert values.latest("g") == []


async def test_a_resource_with_attributes_without_end_is_nobody(
    channel: grpc.aio.Channel, values: LastValues
) -> None:
    attributes = [attribute("service.name", "orders"), *(attribute(f"a{n}", "x") for n in range(10_000))]
    metrics = m.ResourceMetrics(
        resource=Resource(attributes=attributes), scope_metrics=[m.ScopeMetrics(metrics=[gauge(point())])]
    )
    stub = pb_grpc.MetricsServiceStub(channel)  # type: ignore[no-untyped-call]

    answer = await stub.Export(pb.ExportMetricsServiceRequest(resource_metrics=[metrics]), timeout=10)

    assert answer.partial_success.error_message == "refused: unidentified_sender: 1, first in 'g'"


async def test_a_flood_of_series_is_cut_at_the_limit_and_told_in_one_line(
    export: Callable[..., Any], values: LastValues
) -> None:
    flood = gauge(*(point(1, [attribute("n", str(number))]) for number in range(5_000)))

    refusal = await export(flood)

    assert refusal.rejected_data_points == 4_900
    assert refusal.error_message == "refused: too_many_series: 4900, first in 'g'"
    assert len(values.latest("g")) == 100


async def test_during_a_flood_everybody_else_has_a_turn_every_500_points(values: LastValues) -> None:
    turns = 0

    async def others() -> None:
        nonlocal turns
        while True:
            turns += 1
            await asyncio.sleep(0)

    flood = [gauge(*(point() for _ in range(1_000))) for _ in range(10)]
    resource = m.ResourceMetrics(scope_metrics=[m.ScopeMetrics(metrics=flood)])
    working = asyncio.create_task(others())
    await MetricsServicer(values).Export(
        pb.ExportMetricsServiceRequest(resource_metrics=[resource]), NO_CONTEXT
    )
    working.cancel()

    assert turns >= 20


async def test_what_servicekit_pushes_is_accepted_whole(
    channel: grpc.aio.Channel, values: LastValues
) -> None:
    settings = ServiceSettings(grpc_port=0, http_port=0, mesh_key=SecretStr("k" * 32))
    push = MetricsPush("orders", settings, Instruments("orders"), ManualClock())

    is_accepted = await push.push(channel)

    assert is_accepted
    senders = {reading.sender for reading in values.latest("otlp_exports_total")}
    assert [sender.job for sender in senders] == ["orders"]
    assert all(sender.instance for sender in senders)
