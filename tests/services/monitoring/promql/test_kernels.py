"""However samples are laid out, shared or not, few or many, with gaps or without: the same numbers."""

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest

from services.monitoring.promql import (
    STALE_NAN_BITS,
    Engine,
    Labels,
    MatrixResult,
    MemorySource,
    Series,
)
from services.monitoring.promql.ranging import KERNELS

ROWS, SAMPLES, STEP = 40, 120, 15_000
STALE = np.array([STALE_NAN_BITS], dtype=np.int64).view(np.float64)[0]
EXTRA = {
    "quantile_over_time": ("0.9, ", ""),
    "predict_linear": ("", ", 60"),
    "holt_winters": ("", ", 0.3, 0.7"),
    "double_exponential_smoothing": ("", ", 0.3, 0.7"),
}


def _together(wild: bool = False) -> list[Series]:
    """Return series that share one timestamps array."""
    numbers = np.random.default_rng(7)
    times = 1_000_000 + np.arange(SAMPLES, dtype=np.int64) * STEP
    values = numbers.integers(-50, 50, (ROWS, SAMPLES)).astype(np.float64)
    if wild:
        values *= np.where(numbers.random(values.shape) < 0.05, 1e17, 1.0)
        values[numbers.random(values.shape) < 0.02] = np.nan
        values[numbers.random(values.shape) < 0.01] = np.inf
    return [Series(Labels({"__name__": "x", "i": str(row)}), times, values[row]) for row in range(ROWS)]


def _apart(series: list[Series]) -> list[Series]:
    """Return the same, each a little different in its timestamps' identity and surroundings."""
    return [
        replace(
            one,
            timestamps=np.concatenate([[int(one.labels["i"])], one.timestamps]),
            values=np.concatenate([[0.0], one.values]),
        )
        for one in series
    ]


def _with_markers(series: list[Series]) -> list[Series]:
    """Return the same with stale markers between the samples, which a range does not see."""
    return [
        replace(
            one,
            timestamps=np.stack([one.timestamps, one.timestamps + 1], axis=1).ravel(),
            values=np.stack([one.values, np.full(SAMPLES, STALE)], axis=1).ravel(),
        )
        for one in series
    ]


def _matrix(query: str, series: list[Series], step_ms: int = 20_000) -> np.ndarray:
    engine = Engine()
    start = 1_000_000 + 10 * STEP
    result = engine.range(engine.parse(query), MemorySource(series), start, start + 90 * STEP, step_ms).value
    assert isinstance(result, MatrixResult)
    return np.array([one.values for one in result.series])


@pytest.mark.parametrize("wild", [False, True], ids=["tame", "wild"])
@pytest.mark.parametrize("function", sorted(KERNELS))
@pytest.mark.parametrize("layout", [_apart, _with_markers])
def test_the_layout_makes_no_difference(
    layout: Callable[[list[Series]], list[Series]], function: str, wild: bool
) -> None:
    before, after = EXTRA.get(function, ("", ""))
    query = f"{function}({before}x[2m]{after})"
    series = _together(wild)

    np.testing.assert_allclose(_matrix(query, layout(series)), _matrix(query, series), rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize("wild", [False, True], ids=["tame", "wild"])
@pytest.mark.parametrize("function", sorted(KERNELS))
def test_a_step_of_a_range_is_an_instant(function: str, wild: bool) -> None:
    before, after = EXTRA.get(function, ("", ""))
    query = f"{function}({before}x[10m]{after})"
    series = _together(wild)

    whole = _matrix(query, series)
    steps = _matrix(query, series, step_ms=90 * STEP)

    np.testing.assert_allclose(whole[:, 0], steps[:, 0], rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize(
    ("function", "reference"),
    [
        ("sum_over_time", np.sum),
        ("avg_over_time", np.mean),
        ("max_over_time", np.max),
        ("min_over_time", np.min),
        ("stdvar_over_time", np.var),
        ("stddev_over_time", np.std),
        ("count_over_time", len),
    ],
)
@pytest.mark.parametrize("window", ["1m", "20m"])
def test_a_kernel_is_what_numpy_makes_of_each_window(
    function: str, reference: Callable[[np.ndarray], float], window: str
) -> None:
    series = _together()
    start, length = 1_000_000 + 10 * STEP, {"1m": 60_000, "20m": 1_200_000}[window]

    computed = _matrix(f"{function}(x[{window}])", series)

    ends = start + 20_000 * np.arange(computed.shape[1])
    ordered = sorted(series, key=lambda one: tuple(one.labels.items()))
    for row, one in enumerate(ordered):
        for column in range(0, len(ends), 7):
            inside = (one.timestamps > ends[column] - length) & (one.timestamps <= ends[column])
            assert computed[row, column] == pytest.approx(reference(one.values[inside]), rel=1e-9, abs=1e-9)


def test_sums_keep_digits_that_sliding_would_lose() -> None:
    times = np.arange(200, dtype=np.int64) * STEP + 1_000_000
    values = np.ones(200)
    values[20] = 1e18
    series = [Series(Labels({"__name__": "x", "i": str(row)}), times, values) for row in range(ROWS)]

    sums = _matrix("sum_over_time(x[5m])", series)

    assert sums[:, -1].tolist() == [20.0] * ROWS


def test_stale_markers_end_a_series_at_once() -> None:
    series = _with_markers(_together())
    engine = Engine()

    result = engine.range(
        engine.parse("x"), MemorySource(series), 1_000_000 + STEP, 1_000_000 + STEP + 5_000, 1
    )

    assert isinstance(result.value, MatrixResult)
    assert {len(one.values) for one in result.value.series} == {1}


def test_nothing_is_written_to_what_the_source_hands_out() -> None:
    series = _together()
    for one in series:
        one.timestamps.flags.writeable = False
        one.values.flags.writeable = False

    engine = Engine()
    for query in ("x * 2", "rate(x[5m])", "sum by (i) (x)", "sum_over_time(x[5m])", "topk(3, x)", "-x"):
        result = engine.range(engine.parse(query), MemorySource(series), 1_000_000, 2_000_000, STEP).value
        assert isinstance(result, MatrixResult)
        assert result.series
