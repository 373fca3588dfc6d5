"""What it costs to take samples in and to keep them: on one core, without a network.

Bodies are made beforehand, as a service and as a Prometheus would send them; from the
bytes on everything is what monitoring does: decode, look up, judge, write, note for the
journal. Memory is what Python and numpy hold, by tracemalloc, over ten minutes of pushes.
"""

from __future__ import annotations

import gc
import os
import tempfile
import time
import tracemalloc
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path

import cramjam
import numpy as np
from opentelemetry.proto.collector.metrics.v1 import metrics_service_pb2 as pb
from opentelemetry.proto.common.v1.common_pb2 import AnyValue, KeyValue
from opentelemetry.proto.metrics.v1 import metrics_pb2 as m
from opentelemetry.proto.resource.v1.resource_pb2 import Resource

from servicekit.clock import SystemClock
from servicekit.instruments import Instruments
from services.monitoring.ingest import Intake, Limits
from services.monitoring.metrics import IngestSignals
from services.monitoring.promql import Labels, Matcher
from services.monitoring.windows import Bounds, FolderKeeper, Keeper, Windows
from services.monitoring.wire import otlp, remote_write

SERIES = 10_000
PUSHES = 60
PERIOD_MS = 5_000
HISTOGRAMS = 500
BOUNDS = [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10]
MOST_BYTES_PER_SERIES = 3_500
MOST_BYTES_PER_SAMPLE = 2.0
PACES = {"stands still": 1, "some a push": 10, "hundreds a push": 500, "thousands a push": 5_000}

_CUMULATIVE = m.AGGREGATION_TEMPORALITY_CUMULATIVE

Take = Callable[[bytes, Intake], None]


def run(environ: Mapping[str, str]) -> None:
    """Measure, and print."""
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, {0})
    folder = environ.get("TMPDIR") or None
    now_ms = int(time.time() * 1000) - PUSHES * PERIOD_MS
    for name, bodies, take in (
        ("OTLP, counters", (_otlp_counters(now_ms, step) for step in range(PUSHES)), _by_otlp),
        ("OTLP, histograms", (_otlp_histograms(now_ms, step) for step in range(PUSHES)), _by_otlp),
        ("remote write", (_remote(now_ms, step) for step in range(PUSHES)), _by_remote_write),
    ):
        _print_pace(name, list(bodies), take, folder)
    _print_memory(now_ms)
    for name, pace in PACES.items():
        _print_compressed(name, pace)


def _print_pace(name: str, bodies: list[list[bytes]], take: Take, folder: str | None) -> None:
    with tempfile.TemporaryDirectory(dir=folder) as state:
        windows, intake = _intake()
        keeper = FolderKeeper(windows, Path(state) / "windows")
        first = _seconds(bodies[:1], take, intake)
        taken = _samples(windows)
        seconds = _seconds(bodies[1:], take, intake)
        samples = _samples(windows) - taken
        began = time.process_time()
        keeper.keep()
        kept = time.process_time() - began
        keeper.close()
    print(
        f"  {name}: {samples / seconds:,.0f} samples/s on one core"
        f" ({taken / first:,.0f} while all series are new; {kept:.2f} s to write {samples + taken:,})"
    )


def _print_memory(now_ms: int) -> None:
    bodies = [_remote(now_ms, step) for step in range(2)]
    gc.collect()
    tracemalloc.start()
    windows, intake = _intake()
    for body in bodies:
        for part in body:
            _by_remote_write(part, intake)
    numbers = windows.live(windows.cohorts())
    for step in range(2, 121):
        times = np.full(numbers.size, now_ms + step * PERIOD_MS)
        windows.append(numbers, times, np.full(numbers.size, float(step)))
    gc.collect()
    held = tracemalloc.get_traced_memory()[0]
    tracemalloc.stop()
    print(
        f"  a live series (labels, index, ten minutes at 5 s): {held / numbers.size:,.0f} bytes"
        f" (asked {MOST_BYTES_PER_SERIES:,})"
    )


def _print_compressed(name: str, pace: int) -> None:
    windows = Windows(Bounds(series=SERIES))
    keeper, random = Keeper(windows), np.random.default_rng(7)
    values, samples = np.zeros(1_000), 0
    labels = [_labels(number) for number in range(values.size)]
    numbers = np.array([windows.number_of(each, ("bench", "a", "1")) for each in labels])
    for step in range(900):
        values = values + random.integers(0, pace, values.size)
        windows.append(numbers, np.full(values.size, step * PERIOD_MS + 1), values)
    keeper.keep()
    samples = (900 - 180 + 60) * values.size
    size = windows.occupancy().block_bytes
    print(
        f"  a compressed sample of a counter that grows by {name}: {size / samples:.2f} bytes"
        f" (asked {MOST_BYTES_PER_SAMPLE:g})"
    )


def _intake() -> tuple[Windows, Intake]:
    windows = Windows(Bounds(series=SERIES * 2))
    limits = Limits(series=SERIES * 2, samples_per_second=1e12)
    return windows, Intake(windows, SystemClock(), IngestSignals(Instruments("monitoring")), limits=limits)


def _seconds(bodies: Iterable[list[bytes]], take: Take, intake: Intake) -> float:
    """Of the processor: what others do on this machine at the time is not ours."""
    began = time.process_time()
    for body in bodies:
        for part in body:
            take(part, intake)
    return time.process_time() - began


def _samples(windows: Windows) -> int:
    found = windows.select([Matcher("__name__", "!=", "")], 0, 1 << 60)
    return sum(series.values.size for series in found)


def _by_otlp(body: bytes, intake: Intake) -> None:
    otlp.answer(list(otlp.take(otlp.lean.Request.FromString(body), intake)))


def _by_remote_write(body: bytes, intake: Intake) -> None:
    status, text = remote_write.answer(remote_write.take(remote_write.unpacked(body), "bench", intake))
    assert status == 204, text


def _attributes(number: int) -> dict[str, str]:
    return {
        "rpc_service": "tillmesh.orders.v1.OrdersService",
        "rpc_method": f"Method{number % 50}",
        "rpc_grpc_status_code": ("OK", "UNAVAILABLE", "NOT_FOUND")[number % 3],
        "shard": str(number),
    }


def _labels(number: int) -> Labels:
    return Labels({"__name__": "rpc_total", "job": "orders", "instance": "host:9090", **_attributes(number)})


def _otlp_counters(now_ms: int, step: int) -> list[bytes]:
    points = [
        m.NumberDataPoint(
            attributes=_key_values(_attributes(number)),
            time_unix_nano=(now_ms + step * PERIOD_MS) * 1_000_000,
            as_double=float(step * (number % 7)),
        )
        for number in range(SERIES)
    ]
    counter = m.Sum(data_points=points, is_monotonic=True, aggregation_temporality=_CUMULATIVE)
    return _exports([m.Metric(name="rpc_total", sum=counter)])


def _otlp_histograms(now_ms: int, step: int) -> list[bytes]:
    points = [
        m.HistogramDataPoint(
            attributes=_key_values(_attributes(number)),
            time_unix_nano=(now_ms + step * PERIOD_MS) * 1_000_000,
            explicit_bounds=BOUNDS,
            bucket_counts=[step] * (len(BOUNDS) + 1),
            count=step * (len(BOUNDS) + 1),
            sum=step * 1.5,
        )
        for number in range(HISTOGRAMS)
    ]
    histogram = m.Histogram(data_points=points, aggregation_temporality=_CUMULATIVE)
    return _exports([m.Metric(name="rpc_duration_seconds", histogram=histogram)])


def _exports(metrics: list[m.Metric]) -> list[bytes]:
    attributes = _key_values({"service.name": "orders", "service.instance.id": "host:9090"})
    resource = m.ResourceMetrics(
        resource=Resource(attributes=attributes), scope_metrics=[m.ScopeMetrics(metrics=metrics)]
    )
    return [bytes(pb.ExportMetricsServiceRequest(resource_metrics=[resource]).SerializeToString())]


def _remote(now_ms: int, step: int) -> list[bytes]:
    """Requests of 2,000 series each, as a Prometheus sends them."""
    return [_remote_part(now_ms, step, range(first, first + 2_000)) for first in range(0, SERIES, 2_000)]


def _remote_part(now_ms: int, step: int, numbers: range) -> bytes:
    request = remote_write.lean.WriteRequest()
    for number in numbers:
        series = request.timeseries.add()
        for name, value in _labels(number).items():
            label = remote_write.lean.Label(name=name.encode(), value=value.encode())
            series.labels.append(label.SerializeToString())
        series.samples.add(timestamp=now_ms + step * PERIOD_MS, value=float(step * (number % 7)))
    return bytes(cramjam.snappy.compress_raw(request.SerializeToString()))


def _key_values(attributes: Mapping[str, str]) -> list[KeyValue]:
    return [KeyValue(key=name, value=AnyValue(string_value=value)) for name, value in attributes.items()]
