"""Quantiles of samples, by linear interpolation between the two nearest."""

from __future__ import annotations

import numpy as np

from services.monitoring.promql.values import Floats
from services.monitoring.promql.windows import Windows, tiles


def quantile_over_time(windows: Windows, ranks: Floats) -> Floats:
    """Return the quantile of each window; `ranks` has one for each step."""
    found = np.zeros(windows.shape)
    for tile in tiles(windows, np.ones(windows.shape, dtype=np.bool_)):
        found[tile.rows, tile.steps] = quantile(tile.values, ranks[tile.steps])
    return found


def mad_over_time(windows: Windows) -> Floats:
    """Return the median distance from the median of each window; NaN if a sample is."""
    found = np.zeros(windows.shape)
    half = np.full(1, 0.5)
    for tile in tiles(windows, np.ones(windows.shape, dtype=np.bool_)):
        distances = np.abs(tile.values - quantile(tile.values, half)[:, None])
        has_nan = np.isnan(tile.values).any(axis=1)
        found[tile.rows, tile.steps] = np.where(has_nan, np.nan, quantile(distances, half))
    return found


def quantile(samples: Floats, ranks: Floats) -> Floats:
    """Return the quantile of each row. Ranks below 0 and above 1 give an infinity; NaN counts as smallest."""
    size = samples.shape[1]
    position = np.clip(np.nan_to_num(ranks), 0, 1) * (size - 1)
    below = np.floor(position).astype(np.intp)
    above = np.minimum(below + 1, size - 1)
    weight = position - below
    ordered = _ordered(samples, below, above)
    rows = np.arange(len(samples))
    found = ordered[rows, below] * (1 - weight) + ordered[rows, above] * weight
    outside = np.select([np.isnan(ranks), ranks < 0, ranks > 1], [np.nan, -np.inf, np.inf], 0.0)
    return np.where((ranks >= 0) & (ranks <= 1), found, outside)


def _ordered(samples: Floats, below: np.ndarray, above: np.ndarray) -> Floats:
    """Return each row in order as far as the asked columns go: NaN first, then by size."""
    missing = np.isnan(samples)
    if not missing.any():
        wanted = np.unique(np.concatenate([np.ravel(below), np.ravel(above)]))
        return np.partition(samples, wanted, axis=1)
    ordered = np.sort(np.where(missing, -np.inf, samples), axis=1)
    return np.where(np.arange(samples.shape[1]) < missing.sum(axis=1, keepdims=True), np.nan, ordered)
