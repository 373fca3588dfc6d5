import asyncio
import socket
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from functools import partial
from importlib.metadata import version
from pathlib import Path
from typing import Any, TypeAlias

import grpc
import pytest
from opentelemetry.proto.collector.metrics.v1 import metrics_service_pb2 as pb
from opentelemetry.proto.collector.metrics.v1 import metrics_service_pb2_grpc as pb_grpc
from opentelemetry.proto.metrics.v1 import metrics_pb2
from prometheus_client import generate_latest
from prometheus_client.parser import text_string_to_metric_families
from pydantic import SecretStr
from typing_extensions import override

from servicekit.clock import ManualClock
from servicekit.instruments import Instruments
from servicekit.otlp import PERIOD_SECONDS, MetricsPush
from servicekit.settings import ServiceSettings

SHOP = (
    (Path(__file__).parents[2] / "observability/telemetry/servicekit.yaml").read_text()
    + """
  - {name: orders_created_total, type: counter, unit: "1", help: O., user: "issue:2",
     labels: {outcome: [done, lost]}}
  - {name: orders_value_minor_total, type: counter, unit: minor, help: V., user: "issue:2",
     labels: {sku: {bounded: 5}}}
  - {name: wait_seconds, type: histogram, unit: seconds, help: W., user: "issue:2", buckets: [0.1, 1],
     labels: {till: {bounded: 9}}}
"""
)

Push: TypeAlias = Callable[..., Awaitable[bool]]
Series: TypeAlias = dict[tuple[str, frozenset[tuple[str, str]]], float]


class Receiver(pb_grpc.MetricsServiceServicer):
    """An OTLP receiver that keeps what it is sent, and can be told to refuse or to hang."""

    def __init__(self) -> None:
        self.requests: list[pb.ExportMetricsServiceRequest] = []
        self.answer = pb.ExportMetricsServiceResponse()
        self.is_frozen = False

    @override
    async def Export(
        self, request: pb.ExportMetricsServiceRequest, context: Any
    ) -> pb.ExportMetricsServiceResponse:
        if self.is_frozen:
            await asyncio.Event().wait()
        self.requests.append(request)
        return self.answer

    async def received(self, count: int) -> None:
        await until(lambda: len(self.requests) >= count)


async def until(happened: Callable[[], bool]) -> None:
    async with asyncio.timeout(5):
        while not happened():
            await asyncio.sleep(0.005)


@pytest.fixture
async def receiver() -> Receiver:
    return Receiver()


@pytest.fixture
async def endpoint(receiver: Receiver) -> AsyncIterator[str]:
    server = grpc.aio.server()
    pb_grpc.add_MetricsServiceServicer_to_server(receiver, server)  # type: ignore[no-untyped-call]
    port = server.add_insecure_port("127.0.0.1:0")
    await server.start()
    yield f"127.0.0.1:{port}"
    await server.stop(0)


@pytest.fixture
async def channel(endpoint: str) -> AsyncIterator[grpc.aio.Channel]:
    async with grpc.aio.insecure_channel(endpoint) as channel:
        yield channel


@pytest.fixture
def instruments(tmp_path: Path) -> Instruments:
    (tmp_path / "shop.yaml").write_text(SHOP)
    return Instruments("shop", folder=tmp_path)


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock()


def settings(endpoint: str = "") -> ServiceSettings:
    return ServiceSettings(
        grpc_port=0,
        http_port=9082,
        mesh_key=SecretStr("k" * 32),
        environment="test",
        otel_exporter_otlp_endpoint=endpoint,
    )


@pytest.fixture
def metrics_push(instruments: Instruments, clock: ManualClock) -> MetricsPush:
    return MetricsPush("shop", settings(), instruments, clock)


@pytest.fixture
def push(metrics_push: MetricsPush, channel: grpc.aio.Channel) -> Push:
    return partial(metrics_push.push, channel)


def emit(instruments: Instruments) -> None:
    instruments.counter("orders_created_total").labels(outcome="done").inc(3)
    instruments.counter("orders_value_minor_total").labels(sku="tea").inc(1250)
    instruments.gauge("health_status").labels(name="").set(1)
    for seconds in (0.05, 0.5, 0.1, 7):
        instruments.histogram("wait_seconds").labels(till="t-1").observe(seconds)
    instruments.histogram("wait_seconds").labels(till="t-2").observe(2)


def on_the_page(page: str) -> Series:
    families = text_string_to_metric_families(page)
    return {
        (sample.name, frozenset(sample.labels.items())): sample.value
        for family in families
        for sample in family.samples
    }


def as_sent(request: pb.ExportMetricsServiceRequest) -> Series:
    (resource,) = request.resource_metrics
    (scope,) = resource.scope_metrics
    return {series: value for metric in scope.metrics for series, value in series_of(metric)}


def series_of(metric: metrics_pb2.Metric) -> Iterator[tuple[tuple[str, frozenset[tuple[str, str]]], float]]:
    for number in [*metric.sum.data_points, *metric.gauge.data_points]:
        yield (metric.name, labels_of(number)), number.as_double
    for point in metric.histogram.data_points:
        upto = 0
        for bound, count in zip([*point.explicit_bounds, float("inf")], point.bucket_counts, strict=True):
            upto += count
            le = "+Inf" if bound == float("inf") else str(bound)
            yield (f"{metric.name}_bucket", labels_of(point) | {("le", le)}), upto
        yield (f"{metric.name}_sum", labels_of(point)), point.sum
        yield (f"{metric.name}_count", labels_of(point)), point.count


def labels_of(point: Any) -> frozenset[tuple[str, str]]:
    return frozenset((pair.key, pair.value.string_value) for pair in point.attributes)


async def test_what_is_pushed_is_what_the_page_shows(
    instruments: Instruments, push: Push, receiver: Receiver
) -> None:
    emit(instruments)
    page = generate_latest(instruments.registry).decode()

    assert await push()

    assert as_sent(receiver.requests[0]) == on_the_page(page)
    assert as_sent(receiver.requests[0])["orders_created_total", frozenset({("outcome", "done")})] == 3


async def test_sums_are_monotonic_and_cumulative_since_the_start(
    instruments: Instruments, push: Push, receiver: Receiver, clock: ManualClock
) -> None:
    emit(instruments)
    clock.advance(60)

    await push()

    metrics = {
        metric.name: metric for metric in receiver.requests[0].resource_metrics[0].scope_metrics[0].metrics
    }
    created = metrics["orders_created_total"]
    assert created.sum.is_monotonic
    assert created.sum.aggregation_temporality == metrics_pb2.AGGREGATION_TEMPORALITY_CUMULATIVE
    assert metrics["wait_seconds"].histogram.aggregation_temporality == 2
    point = created.sum.data_points[0]
    assert point.time_unix_nano - point.start_time_unix_nano == 60_000_000_000
    assert point.time_unix_nano == int(clock.now().timestamp()) * 1_000_000_000


async def test_units_are_those_of_otlp(instruments: Instruments, push: Push, receiver: Receiver) -> None:
    emit(instruments)
    instruments.gauge("process_resident_bytes").set(1)

    await push()

    metrics = receiver.requests[0].resource_metrics[0].scope_metrics[0].metrics
    units = {metric.name: metric.unit for metric in metrics}
    assert units["wait_seconds"] == "s"
    assert units["process_resident_bytes"] == "By"
    assert units["orders_created_total"] == "1"
    assert units["orders_value_minor_total"] == "{minor}"


async def test_the_resource_names_service_and_process(push: Push, receiver: Receiver) -> None:
    await push()

    attributes = receiver.requests[0].resource_metrics[0].resource.attributes
    assert {pair.key: pair.value.string_value for pair in attributes} == {
        "service.name": "shop",
        "service.namespace": "tillmesh",
        "service.version": version("tillmesh"),
        "service.instance.id": f"{socket.gethostname()}:9082",
        "deployment.environment.name": "test",
    }


async def test_a_push_leaves_every_period_and_a_last_one_at_the_end(
    instruments: Instruments, endpoint: str, receiver: Receiver, clock: ManualClock
) -> None:
    running = asyncio.create_task(MetricsPush("shop", settings(endpoint), instruments, clock).run())
    await receiver.received(1)
    await until(lambda: clock.sleepers == 1)
    clock.advance(PERIOD_SECONDS)
    await receiver.received(2)
    instruments.counter("orders_created_total").labels(outcome="lost").inc()

    running.cancel()

    with pytest.raises(asyncio.CancelledError):
        await running
    assert len(receiver.requests) == 3
    assert as_sent(receiver.requests[2])["orders_created_total", frozenset({("outcome", "lost")})] == 1


async def test_without_an_endpoint_nothing_is_pushed(metrics_push: MetricsPush) -> None:
    await metrics_push.run()

    assert metrics_push._endpoint == ""


async def test_a_receiver_that_hangs_costs_its_deadline_and_is_counted(
    instruments: Instruments, push: Push, receiver: Receiver
) -> None:
    receiver.is_frozen = True

    assert not await push(deadline_seconds=0.05)

    assert outcomes(instruments) == {"accepted": 0, "partial": 0, "failed": 1}


async def test_a_receiver_that_is_gone_is_counted_and_said_once(
    instruments: Instruments, clock: ManualClock, caplog: pytest.LogCaptureFixture
) -> None:
    async with grpc.aio.insecure_channel("127.0.0.1:1") as channel:
        push = MetricsPush("shop", settings(), instruments, clock)
        for _ in range(3):
            assert not await push.push(channel, deadline_seconds=0.5)

    assert outcomes(instruments)["failed"] == 3
    assert [record.message for record in caplog.records] == ["metrics_push_failed"]


async def test_points_that_are_refused_are_counted_as_partial(
    instruments: Instruments, push: Push, receiver: Receiver
) -> None:
    receiver.answer.partial_success.rejected_data_points = 2

    assert not await push()

    receiver.answer.Clear()
    assert await push()
    assert outcomes(instruments) == {"accepted": 1, "partial": 1, "failed": 0}


async def test_a_metric_that_cannot_be_told_never_raises(instruments: Instruments, push: Push) -> None:
    class Faulty:
        def collect(self) -> Any:
            raise RuntimeError("broken collector")

    instruments.registry.register(Faulty())

    assert not await push()
    assert outcomes(instruments)["failed"] == 1


def outcomes(instruments: Instruments) -> dict[str, float]:
    pushes = instruments.counter("otlp_exports_total")
    return {
        outcome: pushes.labels(outcome=outcome)._value.get() for outcome in ("accepted", "partial", "failed")
    }
