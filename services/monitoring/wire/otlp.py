"""OTLP metrics into batches of ingest. Total: whatever a sender can encode is taken or refused by reason.

Source: opentelemetry-proto 1.x, metrics.proto. Names as in the OpenTelemetry
specification's "Prometheus and OpenMetrics Compatibility"; a sender's job is its
service's name, without the namespace.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from opentelemetry.proto.collector.metrics.v1 import metrics_service_pb2 as pb

from services.monitoring.ingest import (
    BUCKET_LABEL,
    Batch,
    Family,
    HistogramSeries,
    Intake,
    Kind,
    Metric,
    Protocol,
    Reason,
    Receipt,
    Sender,
    bad_bounds,
    bound,
    metric_name,
)
from services.monitoring.promql import METRIC_NAME, Labels
from services.monitoring.wire import attributes, points
from services.monitoring.wire.lean import messages

POINTS_AT_ONCE = 500
"""A few milliseconds of work: after that, others have a turn."""

_LONGEST_NAME = 100
"""Characters of a metric's name in a message: names are the sender's, and may be long."""
_LONGEST_HELP = 1_000
_LONGEST_KEY = 32_768
"""Bytes of a point's labels as they were sent: these are what is remembered of it."""
_NANOSECONDS_PER_MS = 1_000_000

lean = messages(
    "tillmesh.lean.otlp",
    {
        "Request": {"resource_metrics": (1, "ResourceMetrics*")},
        "ResourceMetrics": {"resource": (1, "Resource"), "scope_metrics": (2, "ScopeMetrics*")},
        "Resource": {"attributes": (1, "bytes*")},
        "ScopeMetrics": {"metrics": (2, "Metric*")},
        "Metric": {
            "name": (1, "bytes"),
            "description": (2, "bytes"),
            "unit": (3, "bytes"),
            "gauge": (5, "Numbers"),
            "sum": (7, "Numbers"),
            "histogram": (9, "Histograms"),
            "exponential_histogram": (10, "Others"),
            "summary": (11, "Others"),
        },
        "Numbers": {
            "data_points": (1, "Number*"),
            "aggregation_temporality": (2, "int32"),
            "is_monotonic": (3, "bool"),
        },
        "Number": {
            "attributes": (7, "bytes*"),
            "time_unix_nano": (3, "fixed64"),
            "as_double": (4, "double"),
            "as_int": (6, "sfixed64"),
            "flags": (8, "uint32"),
        },
        "Histograms": {"data_points": (1, "Histogram*"), "aggregation_temporality": (2, "int32")},
        "Histogram": {
            "attributes": (9, "bytes*"),
            "time_unix_nano": (3, "fixed64"),
            "count": (4, "fixed64"),
            "sum": (5, "double"),
            "bucket_counts": (6, "fixed64*"),
            "explicit_bounds": (7, "double*"),
            "flags": (10, "uint32"),
        },
        "Others": {"data_points": (1, "bytes*")},
    },
)


def take(request: Any, intake: Intake) -> Iterator[Receipt]:  # noqa: ANN401 - made at run time
    """Take in what a `lean.Request` says; yields about each 5 ms, so that others can have a turn."""
    for resource in request.resource_metrics:
        sender = _sender(resource.resource.attributes)
        opened = intake.open(sender) if sender else Reason.UNIDENTIFIED_SENDER
        metrics = (metric for scope in resource.scope_metrics for metric in scope.metrics)
        if isinstance(opened, Reason):
            yield intake.refuse(Protocol.OTLP, (points.all_refused(opened, metric) for metric in metrics))
        else:
            yield from _Reader(intake, opened).read(metrics)


def answer(receipts: Iterable[Receipt]) -> pb.ExportMetricsServiceResponse:
    """A partial success that counts what was refused and says why; empty when nothing was."""
    points: Counter[Reason] = Counter()
    example: dict[Reason, str] = {}
    for refusal in (refusal for receipt in receipts for refusal in receipt.refused):
        points[refusal.reason] += refusal.points
        example.setdefault(refusal.reason, refusal.metric[:_LONGEST_NAME])
    if not points:
        return pb.ExportMetricsServiceResponse()
    message = "; ".join(f"{reason}: {points[reason]}, first in {example[reason]!r}" for reason in points)
    return pb.ExportMetricsServiceResponse(
        partial_success=pb.ExportMetricsPartialSuccess(
            rejected_data_points=points.total(), error_message=f"refused: {message}"
        )
    )


class _Reader:
    """One resource of a request, on its way into batches."""

    def __init__(self, intake: Intake, batch: Batch) -> None:
        self._intake = intake
        self._batch = batch
        self._points = 0
        self._sender = batch.desk.sender

    def read(self, metrics: Iterable[Any]) -> Iterator[Receipt]:
        for metric in metrics:
            yield from self._metric(metric)
        yield self._intake.close(self._batch)

    def _metric(self, metric: Any) -> Iterator[Receipt]:  # noqa: ANN401 - made at run time
        reason = points.unsupported(metric)
        if reason is not None:
            refused = points.all_refused(reason, metric)
            self._batch.refuse(reason, refused.metric, refused.points)
            return
        family = self._family(metric)
        read = self._histograms if family.kind is Kind.HISTOGRAM else self._numbers
        data = points.data_of(metric)
        told = data.data_points if data is not None else ()
        for start in range(0, len(told), POINTS_AT_ONCE):
            some = told[start : start + POINTS_AT_ONCE]
            read(family, some)
            self._points += len(some)
            if self._points >= POINTS_AT_ONCE:
                yield self._intake.close(self._batch)
                self._batch, self._points = self._batch.another(), 0
        self._remember(metric, family)

    def _family(self, metric: Any) -> Family:  # noqa: ANN401 - as above
        kind = points.kind_of(metric)
        family = self._batch.desk.families.get(metric.name)
        if family is None or family.kind is not kind:
            family = Family(metric_name(points.text(metric.name), points.text(metric.unit), kind), kind)
        return family

    def _remember(self, metric: Any, family: Family) -> None:  # noqa: ANN401 - as above
        if family.is_empty or metric.name in self._batch.desk.families:
            return
        self._batch.desk.families[metric.name] = family
        help_text = points.text(metric.description)[:_LONGEST_HELP]
        unit = points.text(metric.unit)[:_LONGEST_NAME]
        self._intake.describe(family.name, Metric(family.kind, help_text, unit))

    def _numbers(self, family: Family, told: Sequence[Any]) -> None:
        batch, known, is_counter = self._batch, family.series, family.kind is Kind.COUNTER
        batch.begin(family.name)
        for point in told:
            key = b"".join(point.attributes)
            number = known.get(key)
            value = point.as_double or float(point.as_int)
            reason = points.number_fault(point, value, is_counter=is_counter)
            if number is None and reason is None:
                found = self._new(self._labels(family.name, point.attributes), key)
                if isinstance(found, Reason):
                    reason = found
                else:
                    number = known[key] = found
            if number is None or reason is not None:
                batch.refuse(reason or Reason.BAD_VALUE, family.name)
            else:
                batch.add(number, point.time_unix_nano // _NANOSECONDS_PER_MS, value)

    def _histograms(self, family: Family, told: Sequence[Any]) -> None:
        batch, known = self._batch, family.histograms
        for point in told:
            counts, bounds = list(point.bucket_counts), tuple(point.explicit_bounds)
            reason = points.histogram_fault(point, counts, bounds)
            key = b"".join(point.attributes)
            series = known.get(key)
            if reason is None and (series is None or not series.fits(bounds, has_sum=point.HasField("sum"))):
                found = self._histogram_series(family, point)
                if isinstance(found, Reason):
                    reason = found
                else:
                    series = known[key] = found
            if reason is not None or series is None:
                batch.refuse(reason or Reason.BAD_VALUE, family.name)
                continue
            batch.begin(family.name, len(series.numbers))
            time_ms = point.time_unix_nano // _NANOSECONDS_PER_MS
            batch.add_all(series.numbers, time_ms, points.histogram_values(point, counts))

    def _histogram_series(self, family: Family, point: Any) -> HistogramSeries | Reason:  # noqa: ANN401 - as above
        bounds = tuple(point.explicit_bounds)
        reason = bad_bounds(bounds, len(point.bucket_counts), self._intake.limits)
        base = self._labels(family.name, point.attributes)
        if reason is not None:
            return reason
        if isinstance(base, Reason):
            return base
        limits = [*map(bound, bounds), "+Inf"]
        wanted = [
            base.with_values({METRIC_NAME: f"{family.name}_bucket", BUCKET_LABEL: limit}) for limit in limits
        ]
        wanted += [base.with_values({METRIC_NAME: f"{family.name}_sum"})] * point.HasField("sum")
        wanted.append(base.with_values({METRIC_NAME: f"{family.name}_count"}))
        numbers = []
        for labels in wanted:
            number = self._new(labels, b"".join(point.attributes))
            if isinstance(number, Reason):
                return number
            numbers.append(number)
        return HistogramSeries(bounds, tuple(numbers))

    def _new(self, labels: Labels | Reason, key: bytes) -> int | Reason:
        if len(key) > _LONGEST_KEY:
            return Reason.TOO_LONG
        return self._batch.number(labels, self._cohort)

    @property
    def _cohort(self) -> tuple[str, ...]:
        return (Protocol.OTLP.value, self._sender.job, self._sender.instance)

    def _labels(self, name: str, encoded: Sequence[bytes]) -> Labels | Reason:
        labels = attributes.labels(encoded)
        if isinstance(labels, Reason):
            return labels
        return Labels(
            labels | {METRIC_NAME: name, "job": self._sender.job, "instance": self._sender.instance}
        )


def _sender(encoded: Sequence[bytes]) -> Sender | None:
    told = attributes.decoded(encoded)
    if isinstance(told, Reason) or not told.get("service.name"):
        return None
    return Sender(told["service.name"], told.get("service.instance.id", ""))
