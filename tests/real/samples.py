"""Series made at random from a seed, with all that happens to series."""

import numpy as np

from services.monitoring.promql import METRIC_NAME, STALE_NAN_BITS, Labels, Series

START_MS = 1_700_000_000_000 - 1_700_000_000_000 % 3_600_000
SCRAPE_MS = 15_000
SAMPLES = 480
END_MS = START_MS + SCRAPE_MS * (SAMPLES - 1)

_STALE_NAN = np.array([STALE_NAN_BITS], dtype=np.int64).view(np.float64)[0]
_BOUNDS = ("0.1", "0.5", "1", "2.5", "+Inf")


def random_series(seed: int) -> list[Series]:
    """Return counters, gauges and histograms, with resets, gaps, stale markers, NaN and jitter."""
    numbers = np.random.default_rng(seed)
    shared = START_MS + SCRAPE_MS * np.arange(SAMPLES, dtype=np.int64)
    series = []
    for job in ("api", "web", "db"):
        for instance in range(4):
            labels = {"job": job, "instance": str(instance)}
            series.append(
                _series(numbers, shared, {METRIC_NAME: "requests_total", **labels}, _counter(numbers))
            )
            series.append(
                _series(numbers, shared, {METRIC_NAME: "errors_total", **labels}, _counter(numbers))
            )
            series.append(
                _series(numbers, shared, {METRIC_NAME: "load", **labels}, _gauge(numbers, instance))
            )
        for path in ("/a", "/b"):
            counts = np.cumsum([_counter(numbers) for _ in _BOUNDS], axis=0)
            for bound, values in zip(_BOUNDS, counts, strict=True):
                named = {METRIC_NAME: "seconds_bucket", "job": job, "path": path, "le": bound}
                series.append(Series(Labels(named), shared, values))
        series.append(
            Series(Labels({METRIC_NAME: "info", "job": job, "version": job[0]}), shared, np.ones(SAMPLES))
        )
    return sorted(series, key=lambda one: tuple(one.labels.items()))


def _series(
    numbers: np.random.Generator, shared: np.ndarray, labels: dict[str, str], values: np.ndarray
) -> Series:
    """Return a series that is whole, has lost samples, was ended for a while, or keeps times of its own."""
    kept = np.ones(SAMPLES, dtype=np.bool_)
    times = shared
    match int(numbers.integers(5)):
        case 0:
            kept = numbers.random(SAMPLES) < 0.8
        case 1:
            begin = int(numbers.integers(SAMPLES - 60))
            values = values.copy()
            values[begin] = _STALE_NAN
            kept[begin + 1 : begin + 50] = False
        case 2:
            times = shared + numbers.integers(0, SCRAPE_MS, SAMPLES)
        case _:
            pass
    return Series(Labels(labels), times if kept.all() else times[kept], values[kept])


def _counter(numbers: np.random.Generator) -> np.ndarray:
    steps = numbers.integers(0, 40, SAMPLES).astype(np.float64)
    values = np.cumsum(steps)
    for reset in numbers.integers(0, SAMPLES, int(numbers.integers(0, 4))):
        values[reset:] -= values[reset]
    return values


def _gauge(numbers: np.random.Generator, kind: int) -> np.ndarray:
    """Return multiples of 1/8, so that sums are exact in any order; the last kinds are wilder."""
    values = numbers.integers(-800, 800, SAMPLES) / 8
    if kind == 2:
        values[numbers.random(SAMPLES) < 0.02] = np.nan
    if kind == 3:
        values[numbers.random(SAMPLES) < 0.01] = np.inf
        values[numbers.random(SAMPLES) < 0.01] = -np.inf
    return values
