"""Lines and curves through the samples of a window."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from services.monitoring.promql.errors import EvaluationError
from services.monitoring.promql.values import Floats
from services.monitoring.promql.windows import Tile, Windows, tiles


def deriv(windows: Windows) -> Floats:
    """Return the slope per second of the least-squares line."""
    slopes = np.zeros(windows.shape)
    for tile in _pairs_or_more(windows):
        seconds = (tile.times - tile.times[:, :1]) / 1000
        slopes[tile.rows, tile.steps], _ = _line(seconds, tile.values)
    return slopes


def predict_linear(windows: Windows, durations: Floats, now_ms: Floats) -> Floats:
    """Return where the least-squares line will be so many seconds after the time of evaluation."""
    predicted = np.zeros(windows.shape)
    for tile in _pairs_or_more(windows):
        seconds = (tile.times - tile.times[:, :1]) / 1000
        slope, start = _line(seconds, tile.values)
        ahead = (now_ms[tile.steps] - tile.times[:, 0]) / 1000 + durations[tile.steps]
        predicted[tile.rows, tile.steps] = start + slope * ahead
    return predicted


def double_exponential_smoothing(windows: Windows, smoothing: Floats, trend: Floats) -> Floats:
    """Return the newest value, smoothed with its trend (Holt, 1957).

    Raises:
        EvaluationError: A factor is not between 0 and 1.
    """
    _check("smoothing", "sf", smoothing)
    _check("trend", "tf", trend)
    smoothed = np.zeros(windows.shape)
    for tile in _pairs_or_more(windows):
        smoothed[tile.rows, tile.steps] = _smoothed(tile.values, smoothing[tile.steps], trend[tile.steps])
    return smoothed


def _pairs_or_more(windows: Windows) -> Iterator[Tile]:
    return tiles(windows, np.ones(windows.shape, dtype=np.bool_), least=2)


def _line(seconds: Floats, values: Floats) -> tuple[Floats, Floats]:
    """Return the slope of the line through each row, and its value at second 0."""
    centred = seconds - seconds.mean(axis=1, keepdims=True)
    lifted = values - values[:, :1]
    slope = (centred * lifted).sum(axis=1) / (centred * centred).sum(axis=1)
    start = values[:, 0] + lifted.mean(axis=1) - slope * seconds.mean(axis=1)
    is_flat = (values == values[:, :1]).all(axis=1)
    slope, start = np.where(is_flat, 0.0, slope), np.where(is_flat, values[:, 0], start)
    is_finite = np.isfinite(values).all(axis=1)
    return np.where(is_finite, slope, np.nan), np.where(is_finite, start, np.nan)


def _smoothed(values: Floats, smoothing: Floats, trend: Floats) -> Floats:
    before, level = np.zeros(len(values)), values[:, 0]
    slope = values[:, 1] - values[:, 0]
    for index, value in enumerate(np.ascontiguousarray(values.T[1:])):
        if index:
            slope = trend * (level - before) + (1 - trend) * slope
        before, level = level, smoothing * value + (1 - smoothing) * (level + slope)
    return level


def _check(name: str, letters: str, factors: Floats) -> None:
    wrong = factors[(factors <= 0) | (factors >= 1)]
    if len(wrong):
        raise EvaluationError(
            f"invalid {name} factor. Expected: 0 < {letters} < 1, got: {wrong[0]:f}",
        )
