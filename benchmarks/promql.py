"""Our PromQL engine against a real Prometheus, on the same data, in the same run.

Compared is the time that each engine needs for the query itself: of Prometheus what it
says in its statistics, without HTTP and JSON; of ours the call, without a store beneath
that would have an index and memory of its own. The best of a few rounds counts for both,
asked in turns.
"""

from __future__ import annotations

import re
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import numpy as np

from services.monitoring.promql import METRIC_NAME, Engine, Labels, Limits, MemorySource, Series
from tests.real import prometheus
from tests.real.prometheus import Prometheus, running_prometheus

SCRAPE_MS = 15_000
END_MS = 1_700_000_100_000
LONG_MS, SHORT_MS = 18_900_000, 4_200_000
SIZES = (1_000, 10_000, 50_000)
SMALL = SIZES[:2]
BOUNDS = ("0.005", "0.01", "0.025", "0.05", "0.1", "0.25", "0.5", "1", "2.5", "+Inf")
STEPS = 200
LEAST_ROUNDS, MOST_ROUNDS, ROUNDS_SECONDS = 2, 9, 2.0
MAX_SAMPLES = 1_000_000_000
_STATS = re.compile(rb'"execTotalTime":([0-9.e-]+)')


@dataclass(frozen=True)
class Case:
    """A query, what it may cost, and for how many series it is asked."""

    query: str
    asked: float
    sizes: tuple[int, ...] = SIZES
    is_range: bool = False


CASES = (
    Case("rate(c{n}_total[5m])", 1.0),
    Case("rate(c{n}_total[1h])", 1.0),
    Case("rate(c{n}_total[5h])", 1.0, SMALL),
    Case("sum by (job) (rate(c{n}_total[5m]))", 1.0),
    Case("sum by (job) (rate(c{n}_total[1h]))", 1.0),
    Case("sum by (job) (rate(c{n}_total[5h]))", 1.0, SMALL),
    Case("sum without (instance) (rate(c{n}_total[5m]))", 1.0),
    Case("max_over_time(c{n}_total[1h])", 1.0),
    Case("avg_over_time(c{n}_total[1h])", 1.0),
    Case("quantile_over_time(0.9, c{n}_total[1h])", 1.0),
    Case("deriv(c{n}_total[1h])", 1.0),
    Case("stddev_over_time(c{n}_total[1h])", 1.0),
    Case("max_over_time(rate(c{n}_total[5m])[5h:5m])", 1.0, SMALL),
    Case("avg_over_time(c{n}_total[5h:5m])", 1.0, SMALL),
    Case("histogram_quantile(0.9, rate(h{n}_bucket[5m]))", 2.0),
    Case("histogram_quantile(0.9, sum by (le, job) (rate(h{n}_bucket[5m])))", 2.0),
    Case("topk(10, c{n}_total)", 1.0),
    Case("quantile by (job) (0.9, c{n}_total)", 1.0),
    Case("count by (job) (c{n}_total > 1000)", 1.0),
    Case("c{n}_total", 2.0),
    Case("c{n}_total / c{n}_total", 2.0),
    Case("c{n}_total and on (instance) c{n}_total", 2.0),
    Case('label_replace(c{n}_total, "to", "$1", "job", "job-(.*)")', 2.0),
    Case("rate(c{n}_total[5m])", 1.0, SMALL, is_range=True),
    Case("sum by (job) (rate(c{n}_total[5m]))", 1.0, is_range=True),
    Case("max_over_time(c{n}_total[5m])", 1.0, SMALL, is_range=True),
    Case("histogram_quantile(0.9, sum by (le, job) (rate(h{n}_bucket[5m])))", 2.0, is_range=True),
    Case("count(c{n}_total * 2 > 1000)", 2.0, SMALL, is_range=True),
)


def counters(size: int, length_ms: int) -> Iterator[Series]:
    """Make counters; a hundred of them are scraped at the same moment."""
    numbers = np.random.default_rng(size)
    name = f"c{_short(size)}_total"
    for first in range(0, size, 100):
        times = _times(numbers, length_ms)
        rows = np.cumsum(numbers.integers(0, 50, (100, len(times))), axis=1).astype(np.float64)
        for index, values in enumerate(rows, start=first):
            labels = {
                "instance": f"10.0.{index // 250}.{index % 250}",
                "job": f"job-{index % 20}",
                "zone": "a",
            }
            yield Series(Labels({METRIC_NAME: name, **labels}), times, values)


def buckets(size: int, length_ms: int) -> Iterator[Series]:
    """Make the buckets of classic histograms."""
    numbers = np.random.default_rng(size + 1)
    name = f"h{_short(size)}_bucket"
    for index in range(size // len(BOUNDS)):
        times = _times(numbers, length_ms)
        increases = numbers.integers(0, 9, (len(BOUNDS), len(times)))
        rows = np.cumsum(np.cumsum(increases, axis=0), axis=1).astype(np.float64)
        for bound, values in zip(BOUNDS, rows, strict=True):
            labels = {
                "instance": f"10.0.{index // 250}.{index % 250}",
                "job": f"job-{index % 20}",
                "le": bound,
            }
            yield Series(Labels({METRIC_NAME: name, **labels}), times, values)


def _times(numbers: np.random.Generator, length_ms: int) -> np.ndarray:
    start = END_MS - length_ms + int(numbers.integers(SCRAPE_MS))
    return np.arange(start, END_MS + SCRAPE_MS, SCRAPE_MS, dtype=np.int64)


def _short(size: int) -> str:
    return f"{size // 1000}k"


def run(_: Mapping[str, str]) -> None:
    """Print for each query the times of both, the ratio, and how it grows with the series."""
    if prometheus.BINARY is None:
        print(f"  skipped: {prometheus.MISSING}")
        return
    with running_prometheus(max_samples=MAX_SAMPLES) as server:
        source = _filled(server)
        engine = Engine(Limits(samples=MAX_SAMPLES, scanned=10 * MAX_SAMPLES))
        print(f"  Prometheus {server.version}; ratio: ours / theirs; growth: of our CPU time per series")
        print(
            f"  {'query':<72} {'series':>7} {'ours':>9} {'theirs':>9} {'ratio':>6} {'asked':>6} {'growth':>7}"
        )
        worst = 0.0
        for case in CASES:
            worst = max(worst, _print_case(engine, source, server, case))
        print(f"  the highest share of what is asked: {worst:.2f}")


def _filled(server: Prometheus) -> MemorySource:
    began = time.perf_counter()
    everything: list[Series] = []
    for size in SIZES:
        everything += counters(size, LONG_MS if size in SMALL else SHORT_MS)
        everything += buckets(size, SHORT_MS)
    server.write(everything)
    samples = sum(len(series.timestamps) for series in everything)
    print(f"  {len(everything)} series, {samples} samples, written in {time.perf_counter() - began:.0f} s")
    return MemorySource(everything)


def _print_case(engine: Engine, source: MemorySource, server: Prometheus, case: Case) -> float:
    worst, before = 0.0, 0.0
    for size in case.sizes:
        query = case.query.replace("{n}", _short(size))
        ours, theirs, busy = _measured(engine, source, server, query, is_range=case.is_range)
        growth = f"{busy / size / before:7.2f}" if before else ""
        before = busy / size
        shown = query + (f" x{STEPS} steps" if case.is_range else "")
        print(
            f"  {shown:<72} {size:>7} {ours * 1e3:>6.1f} ms {theirs * 1e3:>6.1f} ms {ours / theirs:>6.2f} "
            f"{case.asked:>6.1f} {growth}",
            flush=True,
        )
        worst = max(worst, ours / theirs / case.asked)
    return worst


def _measured(
    engine: Engine, source: MemorySource, server: Prometheus, query: str, *, is_range: bool
) -> tuple[float, float, float]:
    """Return the seconds that each engine needs at best, and those that ours keeps a processor busy."""
    start = END_MS - (STEPS - 1) * SCRAPE_MS
    parsed = engine.parse(query)
    ours: list[float] = []
    theirs: list[float] = []
    busy: list[float] = []
    while len(ours) < LEAST_ROUNDS or (len(ours) < MOST_ROUNDS and sum(ours + theirs) < ROUNDS_SECONDS):
        began, began_busy = time.perf_counter(), time.process_time()
        if is_range:
            engine.range(parsed, source, start, END_MS, SCRAPE_MS)
        else:
            engine.instant(parsed, source, END_MS)
        ours.append(time.perf_counter() - began)
        busy.append(time.process_time() - began_busy)
        content = (
            server.range_content(query, start, END_MS, SCRAPE_MS)
            if is_range
            else server.content(query, END_MS)
        )
        theirs.append(_seconds(content))
    return min(ours), min(theirs), min(busy)


def _seconds(content: bytes) -> float:
    found = _STATS.search(content, max(0, len(content) - 2_000))
    if found is None:
        raise RuntimeError(f"Prometheus refused: {content[:500]!r}")
    return float(found[1])
