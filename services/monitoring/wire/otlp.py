"""OTLP metrics to the words of ingest. Total: whatever a sender can encode comes out as a push.

Source: opentelemetry-proto 1.x, metrics.proto. A sender's job and instance are as in the
OpenTelemetry specification's "Prometheus and OpenMetrics Compatibility", less the namespace.
"""

from __future__ import annotations

import itertools
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from typing import TypeAlias

from opentelemetry.proto.collector.metrics.v1 import metrics_service_pb2 as pb
from opentelemetry.proto.common.v1.common_pb2 import AnyValue, KeyValue
from opentelemetry.proto.metrics.v1 import metrics_pb2

from services.monitoring.ingest import (
    Histogram,
    Kind,
    Labels,
    Push,
    Reason,
    Receipt,
    Refused,
    Sample,
    Sender,
)

POINTS_AT_ONCE = 500
"""About 5 ms of work."""

_MOST_ATTRIBUTES = 128
"""Of a point or a resource: the limit that OpenTelemetry's SDKs set themselves. More are not even read."""

_LONGEST_NAME = 100
"""Characters of a metric's name in a message: names are the sender's, and may be long."""

_Point: TypeAlias = metrics_pb2.NumberDataPoint | metrics_pb2.HistogramDataPoint


def pushes(request: pb.ExportMetricsServiceRequest) -> Iterator[Push]:
    """What the request says: for each resource one push or more, none so large that others must wait."""
    for resource in request.resource_metrics:
        sender = _sender(resource.resource.attributes)
        points = (
            point for scope in resource.scope_metrics for metric in scope.metrics for point in _points(metric)
        )
        yield _push(sender, list(itertools.islice(points, POINTS_AT_ONCE)))
        while part := list(itertools.islice(points, POINTS_AT_ONCE)):
            yield _push(sender, part)


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


def _push(sender: Sender | None, points: list[Sample | Refused]) -> Push:
    samples = [point for point in points if isinstance(point, Sample)]
    return Push(sender, samples, [point for point in points if isinstance(point, Refused)])


def _sender(attributes: Sequence[KeyValue]) -> Sender | None:
    if len(attributes) > _MOST_ATTRIBUTES:
        return None
    named = {attribute.key: attribute.value.string_value for attribute in attributes}
    job = named.get("service.name", "")
    return Sender(job, named.get("service.instance.id", "")) if job else None


def _points(metric: metrics_pb2.Metric) -> Iterator[Sample | Refused]:
    data = metric.WhichOneof("data")
    if data is None:  # no points: nothing to keep and nothing to refuse
        return
    reason = _unsupported(metric)
    points = getattr(metric, data).data_points
    if reason is not None:
        yield from [Refused(reason, metric.name, len(points))] if points else []
    elif data == "histogram":
        yield from _histograms(metric.name, points)
    else:
        is_counter = data == "sum" and metric.sum.is_monotonic
        yield from _numbers(metric.name, Kind.COUNTER if is_counter else Kind.GAUGE, points)


def _unsupported(metric: metrics_pb2.Metric) -> Reason | None:
    match metric.WhichOneof("data"):
        case "summary" | "exponential_histogram":
            return Reason.UNSUPPORTED_TYPE
        case "sum" if not _is_cumulative(metric.sum):
            return Reason.UNSUPPORTED_TEMPORALITY
        case "histogram" if not _is_cumulative(metric.histogram):
            return Reason.UNSUPPORTED_TEMPORALITY
        case _:
            return None


def _is_cumulative(data: metrics_pb2.Sum | metrics_pb2.Histogram) -> bool:
    return data.aggregation_temporality == metrics_pb2.AGGREGATION_TEMPORALITY_CUMULATIVE


def _numbers(
    name: str, kind: Kind, points: Iterable[metrics_pb2.NumberDataPoint]
) -> Iterator[Sample | Refused]:
    for point in points:
        data = point.WhichOneof("value")
        labels = _labels(point.attributes)
        if _has_no_value(point) or data is None:
            yield Refused(Reason.NO_VALUE, name)
        elif isinstance(labels, Reason):
            yield Refused(labels, name)
        else:
            value = point.as_double if data == "as_double" else float(point.as_int)
            yield Sample(name, labels, kind, value, point.time_unix_nano)


def _histograms(name: str, points: Iterable[metrics_pb2.HistogramDataPoint]) -> Iterator[Sample | Refused]:
    for point in points:
        labels = _labels(point.attributes)
        if _has_no_value(point):
            yield Refused(Reason.NO_VALUE, name)
        elif isinstance(labels, Reason):
            yield Refused(labels, name)
        else:
            value = Histogram(
                tuple(point.explicit_bounds),
                tuple(point.bucket_counts),
                point.count,
                point.sum if point.HasField("sum") else None,
            )
            yield Sample(name, labels, Kind.HISTOGRAM, value, point.time_unix_nano)


def _has_no_value(point: _Point) -> bool:
    return bool(point.flags & metrics_pb2.DATA_POINT_FLAGS_NO_RECORDED_VALUE_MASK)


def _labels(attributes: Sequence[KeyValue]) -> Labels | Reason:
    """Sorted, without empty values, which mean the same as none; or why they are no labels."""
    if len(attributes) > _MOST_ATTRIBUTES:
        return Reason.TOO_MANY_LABELS
    labels: dict[str, str] = {}
    for attribute in attributes:
        value = _text(attribute.value)
        if value is None or attribute.key in labels:
            return Reason.BAD_LABELS
        labels[attribute.key] = value
    return tuple(sorted((name, value) for name, value in labels.items() if value))


def _text(value: AnyValue) -> str | None:
    match value.WhichOneof("value"):
        case "string_value":
            return value.string_value
        case "bool_value":
            return "true" if value.bool_value else "false"
        case "int_value":
            return str(value.int_value)
        case "double_value":
            return repr(value.double_value)
        case None:
            return ""
        case _:
            return None
