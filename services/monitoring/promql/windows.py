"""Windows over the samples of a block: which samples each step looks at, and folds over them.

Window (i, j) is that of series i at step j: the samples `lo[i, j]` to `hi[i, j] - 1`. Where
all series share their timestamps, `lo` and `hi` have one row for all of them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from services.monitoring.promql.blocks import BLOCK_VALUES, Block
from services.monitoring.promql.context import Context
from services.monitoring.promql.values import Bools, Floats, Indexes, Integers

_FEW_ROWS = 32
T = TypeVar("T", np.float64, np.int64)


@dataclass(frozen=True, slots=True)
class Windows:
    """A block, seen through windows that end at `ends` and are `range_ms` long."""

    block: Block
    ends: Integers
    range_ms: int
    lo: Indexes
    hi: Indexes
    check: Callable[[], None]
    """Raises if the query is to stop."""

    @property
    def counts(self) -> Indexes:
        """Samples in each window."""
        return self.hi - self.lo

    @property
    def shape(self) -> tuple[int, int]:
        """Series and steps."""
        return len(self.block.rows), len(self.ends)

    @property
    def are_shared(self) -> bool:
        """Whether the series share their timestamps."""
        return len(self.lo) == len(self.block.times) == 1

    def pick(self, matrix: NDArray[T], index: Indexes) -> NDArray[T]:
        """Return the column of a row that each window's index names; any value where it names none."""
        bounded = np.clip(index, 0, matrix.shape[1] - 1)
        picked: NDArray[T]
        if len(matrix) == 1:
            picked = matrix[0][bounded]
        elif len(bounded) == 1:
            picked = matrix[:, bounded[0]]
        else:
            picked = np.take_along_axis(matrix, bounded, axis=1)
        return picked

    def first(self, matrix: NDArray[T]) -> NDArray[T]:
        """Return the oldest of each window."""
        return self.pick(matrix, self.lo)

    def last(self, matrix: NDArray[T]) -> NDArray[T]:
        """Return the newest of each window."""
        return self.pick(matrix, self.hi - 1)

    def take(self, rows: Indexes) -> Windows:
        """Return the windows of some of the rows."""
        block = self.block
        times = block.times if block.times.shape[0] == 1 else block.times[rows]
        lengths = None if block.lengths is None else block.lengths[rows]
        few = Block(block.rows[rows], times, block.values[rows], lengths)
        lo, hi = (self.lo, self.hi) if self.lo.shape[0] == 1 else (self.lo[rows], self.hi[rows])
        return Windows(few, self.ends, self.range_ms, lo, hi, self.check)


def windows_of(context: Context, block: Block, ends: Integers, range_ms: int) -> Windows:
    """Return the windows `(end - range, end]` of a block, or `[end - range, end]` as the dialect has it."""
    context.budget.scan(block.values.size)
    starts = ends - range_ms if context.dialect.left_open else ends - range_ms - 1
    if block.times.shape[0] == 1 and block.lengths is None:
        lo = np.searchsorted(block.times[0], starts, side="right")[None, :]
        hi = np.searchsorted(block.times[0], ends, side="right")[None, :]
    else:
        lo, hi = _searched(block, starts), _searched(block, ends)
    return Windows(block, ends, range_ms, lo, np.maximum(lo, hi), context.budget.check)


def _searched(block: Block, moments: Integers) -> Indexes:
    """Return for each row and moment how many samples of the row are not after it.

    One search for all rows: each row's times are moved past those of the row before.
    """
    lengths = np.full(len(block.rows), block.times.shape[1]) if block.lengths is None else block.lengths
    width = block.times.shape[1]
    filled = np.arange(width) < lengths[:, None]
    times = np.broadcast_to(block.times, (len(block.rows), width))
    known = times[filled]
    floor = min(int(moments.min()), int(known.min(initial=moments.min()))) - 1
    stride = max(int(moments.max()), int(known.max(initial=moments.max()))) - floor + 2
    offsets = np.arange(len(block.rows))[:, None] * stride - floor
    moved = np.where(filled, times, floor + stride - 1) + offsets
    found = np.searchsorted(moved.ravel(), (moments[None, :] + offsets).ravel(), side="right")
    before: Indexes = found.reshape(len(block.rows), -1) - np.arange(len(block.rows))[:, None] * width
    return before


def fold(ufunc: np.ufunc, windows: Windows, matrix: Floats, *, skip: int = 0) -> Floats:
    """Return ufunc folded over each window of a matrix; any value where a window is empty.

    `skip` leaves out that many of the oldest of each window.
    """
    height, width = matrix.shape
    lo = np.minimum(windows.lo + skip, width)
    hi = np.maximum(windows.hi, lo)
    if lo.shape == (1, 1):
        begin = min(int(lo[0, 0]), width - 1)
        one: Floats = ufunc.reduce(matrix[:, begin : max(int(hi[0, 0]), begin + 1)], axis=1, keepdims=True)
        return one
    padded = np.concatenate([matrix, np.zeros((height, 1))], axis=1)
    if len(lo) == 1:
        cuts = np.stack([lo[0], hi[0]], axis=1).ravel()
        shared: Floats = ufunc.reduceat(padded, cuts, axis=1)[:, ::2]
        return shared
    starts = np.arange(height)[:, None] * (width + 1)
    cuts = np.stack([lo + starts, hi + starts], axis=2).ravel()
    each: Floats = ufunc.reduceat(padded.ravel(), cuts)[::2].reshape(height, -1)
    return each


def slide(windows: Windows, sums: NDArray[T], *, skip: int = 0) -> NDArray[T]:
    """Return the sum over each window, from running sums that begin with a column of zeros."""
    lo = windows.lo + skip
    difference: NDArray[T] = windows.pick(sums, np.maximum(windows.hi, lo)) - windows.pick(sums, lo)
    return difference


@dataclass(frozen=True, slots=True)
class Tile:
    """Windows with equally many samples, side by side."""

    values: Floats
    """A row for each window."""
    times: Integers
    """A row for each window, or one for all."""
    rows: Indexes
    steps: Indexes
    """Which window each row is: indexes into the block's rows and the steps."""


def tiles(windows: Windows, chosen: Bools, least: int = 1) -> Iterator[Tile]:
    """Yield the samples of the chosen windows that have at least so many."""
    counts = np.broadcast_to(windows.counts, windows.shape)
    wanted = chosen & (counts >= least)
    if windows.are_shared and windows.shape[0] >= _FEW_ROWS and wanted.all(axis=0).any():
        yield from _slices(windows, wanted)
        wanted = wanted & ~wanted.all(axis=0)
    rows, steps = np.nonzero(wanted)
    sizes = counts[rows, steps]
    for size in np.unique(sizes).tolist():
        alike = np.flatnonzero(sizes == size)
        height = max(1, BLOCK_VALUES // size)
        for begin in range(0, len(alike), height):
            windows.check()
            few = alike[begin : begin + height]
            yield _gathered(windows, rows[few], steps[few], size)


def _slices(windows: Windows, wanted: Bools) -> Iterator[Tile]:
    block, rows = windows.block, np.arange(windows.shape[0])
    for step in np.flatnonzero(wanted.all(axis=0)).tolist():
        windows.check()
        part = slice(int(windows.lo[0, step]), int(windows.hi[0, step]))
        yield Tile(block.values[:, part], block.times[:, part], rows, np.full(len(rows), step))


def _gathered(windows: Windows, rows: Indexes, steps: Indexes, size: int) -> Tile:
    block = windows.block
    lo = np.broadcast_to(windows.lo, windows.shape)[rows, steps]
    columns = lo[:, None] + np.arange(size)
    time_rows = np.zeros_like(rows) if block.times.shape[0] == 1 else rows
    return Tile(block.values[rows[:, None], columns], block.times[time_rows[:, None], columns], rows, steps)
