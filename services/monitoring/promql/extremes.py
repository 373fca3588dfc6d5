"""Smallest and largest values of windows, and when they were."""

from __future__ import annotations

import numpy as np

from services.monitoring.promql.values import Floats
from services.monitoring.promql.windows import Windows, fold, tiles

_OVERLAP = 8


def min_over_time(windows: Windows) -> Floats:
    """Return the smallest value; NaN only where there is nothing else."""
    return _extreme(np.fmin, windows)


def max_over_time(windows: Windows) -> Floats:
    """Return the largest value; NaN only where there is nothing else."""
    return _extreme(np.fmax, windows)


def ts_of_min_over_time(windows: Windows) -> Floats:
    """Return when the smallest value was seen last, in seconds."""
    return _moment(np.fmin, windows)


def ts_of_max_over_time(windows: Windows) -> Floats:
    """Return when the largest value was seen last, in seconds."""
    return _moment(np.fmax, windows)


def _extreme(ufunc: np.ufunc, windows: Windows) -> Floats:
    values = windows.block.values
    if windows.counts.sum() <= _OVERLAP * windows.lo.shape[0] * values.shape[1]:
        return fold(ufunc, windows, values)
    return _by_doubling(ufunc, windows)


def _by_doubling(ufunc: np.ufunc, windows: Windows) -> Floats:
    """Fold spans of 1, 2, 4... samples; a window is two such spans that overlap.

    (M. Bender and M. Farach-Colton, "The LCA Problem Revisited", 2000: sparse tables.)
    """
    spans = windows.block.values
    length = 1
    sizes = np.maximum(windows.counts, 1)
    found = np.zeros(windows.shape)
    while True:
        fits = (sizes >= length) & (sizes < 2 * length)
        if fits.any():
            pair = ufunc(windows.first(spans), windows.pick(spans, windows.hi - length))
            found = np.where(fits, pair, found)
        if 2 * length > sizes.max():
            return found
        spans = ufunc(spans[:, :-length], spans[:, length:])
        length *= 2


def _moment(ufunc: np.ufunc, windows: Windows) -> Floats:
    moments = np.zeros(windows.shape)
    for tile in tiles(windows, np.ones(windows.shape, dtype=np.bool_)):
        extreme = ufunc.reduce(tile.values, axis=1, keepdims=True)
        is_extreme = (tile.values == extreme) | np.isnan(extreme)
        newest = is_extreme.shape[1] - 1 - np.argmax(is_extreme[:, ::-1], axis=1)
        times = np.broadcast_to(tile.times, tile.values.shape)
        moments[tile.rows, tile.steps] = times[np.arange(len(times)), newest] / 1000
    return moments
