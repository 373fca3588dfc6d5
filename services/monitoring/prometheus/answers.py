"""Answers as Prometheus writes them: values as texts, times in seconds, labels as objects."""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Iterator, Mapping
from decimal import Decimal
from typing import Any, assert_never

from services.monitoring.ingest import Metric
from services.monitoring.prometheus.errors import ApiError
from services.monitoring.promql import (
    Labels,
    MatrixResult,
    Result,
    ScalarResult,
    Series,
    StringResult,
    VectorResult,
)


def of_result(result: Result) -> bytes:
    """The answer to a query."""
    kind, text = _value(result.value)
    notes = _notes(result)
    return f'{{"status":"success","data":{{"resultType":"{kind}","result":{text}}}{notes}}}'.encode()


def of_data(data: Any) -> bytes:  # noqa: ANN401 - whatever JSON can say
    """Any other answer."""
    return json.dumps({"status": "success", "data": data}, separators=(",", ":")).encode()


def of_error(error: ApiError) -> bytes:
    """An answer that is no success."""
    said = {"status": "error", "errorType": error.kind, "error": str(error)}
    return json.dumps(said, separators=(",", ":")).encode()


def of_metrics(metrics: Mapping[str, Metric], wanted: str, limit: int | None) -> bytes:
    """What is known of metrics."""
    named = ((name, metric) for name, metric in sorted(metrics.items()) if wanted in ("", name))
    told = {
        name: [{"type": metric.kind.value, "help": metric.help, "unit": metric.unit}]
        for _, (name, metric) in zip(range(limit or len(metrics)), named, strict=False)
    }
    return of_data(told)


def number(value: float) -> str:
    """A value as Go writes it with 'f' and -1: never with an exponent."""
    if math.isnan(value):
        return "NaN"
    if math.isinf(value):
        return "+Inf" if value > 0 else "-Inf"
    text = repr(value)
    if "e" in text:
        text = format(Decimal(text), "f")
    return text.removesuffix(".0")


def seconds(time_ms: int) -> str:
    """A time as Prometheus writes it: whole seconds, or three places."""
    whole, rest = divmod(time_ms, 1000)
    if not rest:
        return str(whole)
    return f"{whole}.{rest:03}" if whole >= 0 else f"{time_ms / 1000:.3f}"


def _value(value: ScalarResult | StringResult | VectorResult | MatrixResult) -> tuple[str, str]:
    match value:
        case ScalarResult():
            return "scalar", _sample(value.time_ms, value.value)
        case StringResult():
            return "string", f"[{seconds(value.time_ms)},{json.dumps(value.value)}]"
        case VectorResult():
            rows = zip(value.labels, value.values.tolist(), strict=True)
            samples = (
                f'{{"metric":{_labels(labels)},"value":{_sample(value.time_ms, each)}}}'
                for labels, each in rows
            )
            return "vector", f"[{','.join(samples)}]"
        case MatrixResult():
            return "matrix", f"[{','.join(_matrix(value.series))}]"
        case _:
            assert_never(value)


def _matrix(found: Iterable[Series]) -> Iterator[str]:
    written: dict[int, list[str]] = {}
    for series in found:
        shared = id(series.timestamps)
        if shared not in written:
            written[shared] = [seconds(time_ms) for time_ms in series.timestamps.tolist()]
        values = map(number, series.values.tolist())
        pairs = (f'[{at},"{value}"]' for at, value in zip(written[shared], values, strict=True))
        yield f'{{"metric":{_labels(series.labels)},"values":[{",".join(pairs)}]}}'


def _sample(time_ms: int, value: float) -> str:
    return f'[{seconds(time_ms)},"{number(value)}"]'


def _labels(labels: Labels) -> str:
    return json.dumps(labels, separators=(",", ":"), ensure_ascii=False)


def _notes(result: Result) -> str:
    parts = ""
    for key, level in (("warnings", "warning"), ("infos", "info")):
        texts = [str(note) for note in result.notes if note.level == level]
        if texts:
            parts += f',"{key}":{json.dumps(texts)}'
    return parts
