"""Pushes the metrics of this process as OTLP over gRPC, every few seconds.

The registry that `/metrics` shows is walked and sent as it is: the same names
(counters keep their `_total`), the same labels as attributes, the same values.
Temporality is cumulative. A receiver that is slow, dead or wrong costs one push and
is counted; it is never felt by the service.
"""

import asyncio
import itertools
from collections.abc import Iterator, Mapping
from datetime import datetime
from typing import Final, TypedDict

import grpc
from opentelemetry.proto.collector.metrics.v1 import metrics_service_pb2 as pb
from opentelemetry.proto.collector.metrics.v1 import metrics_service_pb2_grpc as pb_grpc
from opentelemetry.proto.common.v1.common_pb2 import AnyValue, InstrumentationScope, KeyValue
from opentelemetry.proto.metrics.v1 import metrics_pb2
from opentelemetry.proto.resource.v1.resource_pb2 import Resource
from prometheus_client import CollectorRegistry
from prometheus_client.metrics_core import Metric
from prometheus_client.samples import Sample

from servicekit.clock import Clock
from servicekit.instruments import Instruments
from servicekit.logs import logger
from servicekit.resource import resource_attributes
from servicekit.settings import ServiceSettings

PERIOD_SECONDS: Final = 5.0
"""How often metrics are pushed: the resolution of everything that is computed from them."""

DEADLINE_SECONDS: Final = 2.0
"""Bound on one push; well under the period, so that pushes never pile up."""

FLUSH_SECONDS: Final = 1.0
"""Bound on the last push, within the time a process has to exit."""

_UCUM = {"seconds": "s", "bytes": "By", "": "1"}
"""OTLP names units by UCUM; a unit it has no word for goes as an annotation in braces."""

_CUMULATIVE = metrics_pb2.AGGREGATION_TEMPORALITY_CUMULATIVE

log = logger(__name__)


class _Times(TypedDict):
    start_time_unix_nano: int
    time_unix_nano: int


class MetricsPush:
    """Pushes the metrics of one process to the endpoint of its settings, if they name one.

    Args:
        service: The service's name.
        settings: Where to push.
        instruments: What to push.
        clock: When to push, and what time it is.
    """

    def __init__(
        self, service: str, settings: ServiceSettings, instruments: Instruments, clock: Clock
    ) -> None:
        self._endpoint = settings.otel_exporter_otlp_endpoint
        self._registry = instruments.registry
        self._pushes = instruments.counter("otlp_exports_total")
        self._resource = Resource(attributes=_attributes(resource_attributes(service, settings)))
        self._clock = clock
        self._started = clock.now()
        self._is_failing = False

    async def run(self) -> None:
        """Push at once and every period until cancelled, then a last time under its own deadline."""
        if not self._endpoint:
            return
        async with grpc.aio.insecure_channel(self._endpoint) as channel:
            due = self._clock.monotonic()
            try:
                while True:
                    await self.push(channel)
                    due = max(due + PERIOD_SECONDS, self._clock.monotonic())
                    await self._clock.sleep(due - self._clock.monotonic())
            finally:
                await self.push(channel, FLUSH_SECONDS)

    async def push(self, channel: grpc.aio.Channel, deadline_seconds: float = DEADLINE_SECONDS) -> bool:
        """Push now; False if it was not accepted whole. Never raises."""
        try:
            stub = pb_grpc.MetricsServiceStub(channel)  # type: ignore[no-untyped-call]
            # In a thread: a hundred histograms take 7 ms, which no call should wait for.
            snapshot = await asyncio.to_thread(self._snapshot)
            request = pb.ExportMetricsServiceRequest(resource_metrics=[snapshot])
            answer = await stub.Export(request, timeout=deadline_seconds)
        except Exception as error:  # noqa: BLE001 - whatever goes wrong here must not reach the service
            self._note(
                "failed", error.code().name if isinstance(error, grpc.aio.AioRpcError) else repr(error)
            )
            return False
        rejected = answer.partial_success.rejected_data_points
        self._note("partial" if rejected else "accepted", answer.partial_success.error_message)
        return not rejected

    def _note(self, outcome: str, reason: str) -> None:
        """Count the push; log when failing begins and when it ends."""
        self._pushes.labels(outcome=outcome).inc()
        is_failing = outcome != "accepted"
        if is_failing and not self._is_failing:
            log.warning("metrics_push_failed", outcome=outcome, reason=reason)
        if self._is_failing and not is_failing:
            log.info("metrics_push_restored")
        self._is_failing = is_failing

    def _snapshot(self) -> metrics_pb2.ResourceMetrics:
        scope = metrics_pb2.ScopeMetrics(
            scope=InstrumentationScope(name="servicekit"),
            metrics=encoded(self._registry, self._started, self._clock.now()),
        )
        return metrics_pb2.ResourceMetrics(resource=self._resource, scope_metrics=[scope])


def encoded(registry: CollectorRegistry, started: datetime, now: datetime) -> Iterator[metrics_pb2.Metric]:
    """Everything in `registry` as OTLP metrics that count since `started` and are true at `now`."""
    times = _Times(start_time_unix_nano=_nanoseconds(started), time_unix_nano=_nanoseconds(now))
    for metric in registry.collect():
        match metric.type:
            case "counter":
                yield _sum(metric, times)
            case "gauge":
                yield _gauge(metric, times)
            case "histogram":
                yield _histogram(metric, times)
            case unknown:
                raise NotImplementedError(f"{metric.name}: no instrument is a {unknown}")


def _sum(metric: Metric, times: _Times) -> metrics_pb2.Metric:
    points = _number_points(metric, times)
    data = metrics_pb2.Sum(data_points=points, is_monotonic=True, aggregation_temporality=_CUMULATIVE)
    return metrics_pb2.Metric(
        name=f"{metric.name}_total", description=metric.documentation, unit=_unit(metric), sum=data
    )


def _gauge(metric: Metric, times: _Times) -> metrics_pb2.Metric:
    data = metrics_pb2.Gauge(data_points=_number_points(metric, times))
    return metrics_pb2.Metric(
        name=metric.name, description=metric.documentation, unit=_unit(metric), gauge=data
    )


def _number_points(metric: Metric, times: _Times) -> Iterator[metrics_pb2.NumberDataPoint]:
    for sample in metric.samples:
        yield metrics_pb2.NumberDataPoint(
            attributes=_attributes(sample.labels), as_double=sample.value, **times
        )


def _histogram(metric: Metric, times: _Times) -> metrics_pb2.Metric:
    series: dict[frozenset[tuple[str, str]], list[Sample]] = {}
    for sample in metric.samples:
        named = frozenset(item for item in sample.labels.items() if item[0] != "le")
        series.setdefault(named, []).append(sample)
    points = [_histogram_point(dict(sorted(named)), samples, times) for named, samples in series.items()]
    data = metrics_pb2.Histogram(data_points=points, aggregation_temporality=_CUMULATIVE)
    return metrics_pb2.Metric(
        name=metric.name, description=metric.documentation, unit=_unit(metric), histogram=data
    )


def _histogram_point(
    labels: dict[str, str], samples: list[Sample], times: _Times
) -> metrics_pb2.HistogramDataPoint:
    """One series: Prometheus counts up to each bound, OTLP between the bounds, +Inf unnamed."""
    buckets = [sample for sample in samples if sample.name.endswith("_bucket")]
    upto = [int(bucket.value) for bucket in buckets]
    (total,) = (sample.value for sample in samples if sample.name.endswith("_sum"))
    return metrics_pb2.HistogramDataPoint(
        attributes=_attributes(labels),
        explicit_bounds=[float(bucket.labels["le"]) for bucket in buckets[:-1]],
        bucket_counts=[high - low for low, high in itertools.pairwise([0, *upto])],
        count=upto[-1],
        sum=total,
        **times,
    )


def _attributes(labels: Mapping[str, str]) -> Iterator[KeyValue]:
    for name, value in labels.items():
        yield KeyValue(key=name, value=AnyValue(string_value=value))


def _unit(metric: Metric) -> str:
    return _UCUM.get(metric.unit) or f"{{{metric.unit}}}"


def _nanoseconds(moment: datetime) -> int:
    return int(moment.timestamp() * 1_000_000) * 1_000
