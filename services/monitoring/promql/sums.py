"""Sums that keep their digits, over windows and over groups.

A plain sum is accurate while its terms do not cancel. Where they do, the sum is made
again term by term with Neumaier's compensation, as Prometheus makes all of its sums.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from services.monitoring.promql.compensation import compensated_mean, compensated_sum
from services.monitoring.promql.values import Bools, Floats
from services.monitoring.promql.windows import Windows, fold, slide, tiles

CANCELLATION = 1e3
"""A sum this many times smaller than the sum of its terms' magnitudes is made again."""
_OVERLAP = 4
_SLIDING_ERROR = 1e-12


def sum_over_time(windows: Windows) -> Floats:
    """Return the sum of each window."""
    sums = _plain_sums(windows)
    return _redone(windows, sums, _doubtful(windows, sums), compensated_sum)


def avg_over_time(windows: Windows) -> Floats:
    """Return the mean of each window."""
    sums = _plain_sums(windows)
    return _redone(windows, sums / windows.counts, _doubtful(windows, sums), compensated_mean)


def stdvar_over_time(windows: Windows) -> Floats:
    """Return the population variance of each window."""
    variances = np.zeros(windows.shape)
    for tile in tiles(windows, np.ones(windows.shape, dtype=np.bool_)):
        variances[tile.rows, tile.steps] = variance(tile.values)
    return variances


def stddev_over_time(windows: Windows) -> Floats:
    """Return the population standard deviation of each window."""
    deviations: Floats = np.sqrt(stdvar_over_time(windows))
    return deviations


def variance(samples: Floats) -> Floats:
    """Return the variance of each row; zero where all are equal."""
    first = samples[:, :1]
    centred = samples - first
    centred -= centred.mean(axis=1, keepdims=True)
    squares: Floats = np.einsum("ij,ij->i", centred, centred) / samples.shape[1]
    return squares


def _plain_sums(windows: Windows) -> Floats:
    """Return the sums without compensation: each window by itself, or by sliding where they overlap much."""
    values = windows.block.values
    if windows.counts.sum() <= _OVERLAP * windows.lo.shape[0] * values.shape[1]:
        return fold(np.add, windows, values)
    running = np.zeros((len(values), values.shape[1] + 1))
    np.cumsum(values, axis=1, out=running[:, 1:])
    sums = slide(windows, running)
    reach = np.abs(running).max(axis=1, keepdims=True)
    vague = np.flatnonzero(~(reach * _SLIDING_ERROR <= np.abs(sums)).all(axis=1))
    if len(vague):
        sums[vague] = fold(np.add, windows.take(vague), values[vague])
    return sums


def _doubtful(windows: Windows, sums: Floats) -> Bools:
    """Tell which sums may have lost digits or overflowed."""
    values = windows.block.values
    if values.min(initial=0.0) >= 0 and np.isfinite(sums).all():
        return np.zeros(windows.shape, dtype=np.bool_)
    magnitudes = fold(np.add, windows, np.abs(values))
    doubtful: Bools = (np.abs(sums) * CANCELLATION < magnitudes) | ~np.isfinite(sums)
    return doubtful


def _redone(windows: Windows, results: Floats, doubtful: Bools, exact: Callable[[Floats], Floats]) -> Floats:
    if not doubtful.any():
        return results
    for tile in tiles(windows, doubtful):
        results[tile.rows, tile.steps] = exact(tile.values)
    return results
