"""What a metric and a point of OTLP are, and what is wrong with them: pure decisions on messages."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from typing import Any

from opentelemetry.proto.metrics.v1.metrics_pb2 import (
    AGGREGATION_TEMPORALITY_CUMULATIVE,
    DATA_POINT_FLAGS_NO_RECORDED_VALUE_MASK,
)

from services.monitoring.ingest import Kind, Reason, Refused

_SUPPORTED = ("gauge", "sum", "histogram")
_DATA = (*_SUPPORTED, "exponential_histogram", "summary")


def data_of(metric: Any) -> Any:  # noqa: ANN401 - made at run time
    """Its data, or `None`."""
    return next((getattr(metric, name) for name in _DATA if metric.HasField(name)), None)


def kind_of(metric: Any) -> Kind:  # noqa: ANN401 - as above
    """How its values behave."""
    if metric.HasField("histogram"):
        return Kind.HISTOGRAM
    return Kind.COUNTER if metric.HasField("sum") and metric.sum.is_monotonic else Kind.GAUGE


def unsupported(metric: Any) -> Reason | None:  # noqa: ANN401 - as above
    """Why no point of a metric can be taken."""
    name = next((name for name in _DATA if metric.HasField(name)), "gauge")
    if name not in _SUPPORTED:
        return Reason.UNSUPPORTED_TYPE
    if (
        name != "gauge"
        and getattr(metric, name).aggregation_temporality != AGGREGATION_TEMPORALITY_CUMULATIVE
    ):
        return Reason.UNSUPPORTED_TEMPORALITY
    return None


def all_refused(reason: Reason, metric: Any) -> Refused:  # noqa: ANN401 - as above
    """Every point of a metric, refused."""
    data = data_of(metric)
    return Refused(reason, text(metric.name), 0 if data is None else len(data.data_points))


def number_fault(point: Any, value: float, *, is_counter: bool) -> Reason | None:  # noqa: ANN401 - as above
    """Why a number cannot be taken."""
    if _has_no_value(point) or not (value or point.HasField("as_double") or point.HasField("as_int")):
        return Reason.NO_VALUE
    return Reason.BAD_VALUE if is_counter and not value >= 0 else None  # NaN is not


def histogram_fault(point: Any, counts: Sequence[int], bounds: Sequence[float]) -> Reason | None:  # noqa: ANN401 - as above
    """Why a histogram cannot be taken, if its bounds are those of a series that is known."""
    if _has_no_value(point):
        return Reason.NO_VALUE
    if not counts and not bounds:
        return None
    return None if len(counts) == len(bounds) + 1 and sum(counts) == point.count else Reason.BAD_VALUE


def histogram_values(point: Any, counts: Sequence[int]) -> list[float]:  # noqa: ANN401 - as above
    """Prometheus counts up to each bound, OTLP between them; then the sum if it is told, and the count."""
    upto = [float(count) for count in itertools.accumulate(counts)] or [float(point.count)]
    return [*upto, *([point.sum] if point.HasField("sum") else []), float(point.count)]


def text(encoded: bytes) -> str:
    """What a sender calls something, whatever bytes that is."""
    return encoded.decode(errors="replace")


def _has_no_value(point: Any) -> bool:  # noqa: ANN401 - as above
    return bool(point.flags & DATA_POINT_FLAGS_NO_RECORDED_VALUE_MASK)
