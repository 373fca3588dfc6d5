"""Selected series as matrices: the form in which numpy can work on many at once.

Series that share their timestamps array become rows of one block with one row of
timestamps. Those that do not, or that hold stale markers to be left out, become rows that
are padded to the same length, each with timestamps of its own. Blocks are kept small
enough to stay in the processor's cache while a kernel goes over them.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from services.monitoring.promql.source import STALE_NAN_BITS, Series
from services.monitoring.promql.values import Bools, Floats, Indexes, Integers

BLOCK_VALUES = 1 << 19
"""Values in a block, about; 4 MB."""
_NEVER = np.iinfo(np.int64).max


@dataclass(frozen=True, slots=True)
class Block:
    """Samples of some series, oldest first.

    `times` has one row for all, or one for each series. Rows end at `lengths`.
    """

    rows: Indexes
    """Which series of the selection."""
    times: Integers
    values: Floats
    lengths: Indexes | None = None
    """Samples in each row; `None` is all columns."""


@dataclass(frozen=True, slots=True)
class Group:
    """Series that share one timestamps array."""

    timestamps: NDArray[np.int64]
    rows: list[int]


def is_stale(values: Floats) -> Bools:
    """Tell which values are stale markers."""
    stale: Bools = values.view(np.int64) == STALE_NAN_BITS
    return stale


def groups_of(selection: Sequence[Series]) -> list[Group]:
    """Return the series, by their timestamps array."""
    by_identity: dict[int, Group] = {}
    for row, series in enumerate(selection):
        timestamps = series.timestamps
        group = by_identity.get(id(timestamps))
        if group is None:
            by_identity[id(timestamps)] = Group(timestamps, [row])
        else:
            group.rows.append(row)
    groups = list(by_identity.values())
    return groups if len(groups) <= 1 else _same_content(groups)


def _same_content(groups: list[Group]) -> list[Group]:
    """Join groups whose timestamps are equal without being the same array."""
    found: dict[tuple[int, int, int], list[Group]] = {}
    for group in groups:
        times = group.timestamps
        key = (len(times), int(times[0]), int(times[-1])) if len(times) else (0, 0, 0)
        alike = found.setdefault(key, [])
        for other in alike:
            if np.array_equal(other.timestamps, times):
                other.rows.extend(group.rows)
                break
        else:
            alike.append(group)
    return [group for alike in found.values() for group in alike]


def blocks_of(
    selection: Sequence[Series], start_ms: int, end_ms: int, *, keep_stale: bool = False
) -> Iterator[Block]:
    """Yield all samples from start to end, both included; stale markers only if they are to be kept."""
    loners: list[int] = []
    for group in groups_of(selection):
        if len(group.rows) == 1:
            loners += group.rows
            continue
        for block in _shared_blocks(selection, group, start_ms, end_ms):
            marked = _marked_rows(block, keep_stale=keep_stale)
            loners += block.rows[marked].tolist()
            yield block if not len(marked) else _without(block, marked)
    cuts = [_cut(selection[row], start_ms, end_ms, keep_stale=keep_stale) for row in loners]
    yield from padded_blocks(cuts, loners)


def _shared_blocks(selection: Sequence[Series], group: Group, start_ms: int, end_ms: int) -> Iterator[Block]:
    first, last = _bounds(group.timestamps, start_ms, end_ms)
    if first == last:
        return
    times = group.timestamps[None, first:last]
    height = max(1, BLOCK_VALUES // (last - first))
    for begin in range(0, len(group.rows), height):
        rows = group.rows[begin : begin + height]
        values = np.concatenate([selection[row].values[first:last] for row in rows])
        yield Block(np.array(rows), times, values.reshape(len(rows), -1))


def _marked_rows(block: Block, *, keep_stale: bool) -> Indexes:
    """Return the rows of a block that hold stale markers which are not to be kept."""
    stale = is_stale(block.values)
    if keep_stale or not stale.any():
        return np.zeros(0, dtype=np.intp)
    return np.flatnonzero(np.logical_or.reduce(stale, axis=1))


def _without(block: Block, rows: Indexes) -> Block:
    return Block(np.delete(block.rows, rows), block.times, np.delete(block.values, rows, axis=0))


def padded_blocks(samples: Sequence[tuple[Integers, Floats]], rows: Sequence[int]) -> Iterator[Block]:
    """Yield blocks of series that each have timestamps of their own; shorter ones first."""
    order = sorted(range(len(rows)), key=lambda index: len(samples[index][0]))
    while order:
        longest = max(1, len(samples[order[-1]][0]))
        height = max(1, BLOCK_VALUES // longest)
        order, chosen = order[:-height], order[-height:]
        yield _padded([samples[index] for index in chosen], np.array([rows[index] for index in chosen]))


def _padded(samples: Sequence[tuple[Integers, Floats]], rows: Indexes) -> Block:
    lengths = np.array([len(times) for times, _ in samples], dtype=np.intp)
    width = max(1, int(lengths.max()))
    times = np.full((len(rows), width), _NEVER, dtype=np.int64)
    values = np.zeros((len(rows), width))
    filled = np.arange(width) < lengths[:, None]
    times[filled] = np.concatenate([each for each, _ in samples])
    values[filled] = np.concatenate([each for _, each in samples])
    return Block(rows, times, values, lengths)


def compacted(times: Integers, values: Floats, present: Bools | None) -> Iterator[Block]:
    """Yield blocks of the values that are present, of a matrix whose columns are at `times`."""
    height = max(1, BLOCK_VALUES // max(1, values.shape[1]))
    for begin in range(0, len(values), height):
        rows = np.arange(begin, min(begin + height, len(values)))
        if present is None or present[rows].all():
            yield Block(rows, times[None, :], values[rows])
            continue
        order = np.argsort(~present[rows], axis=1, kind="stable")
        lengths = present[rows].sum(axis=1)
        moved = np.where(np.arange(len(times)) < lengths[:, None], times[order], _NEVER)
        yield Block(rows, moved, np.take_along_axis(values[rows], order, axis=1), lengths)


def _bounds(times: Integers, start_ms: int, end_ms: int) -> tuple[int, int]:
    first, last = np.searchsorted(times, [start_ms, end_ms + 1])
    return int(first), int(last)


def _cut(series: Series, start_ms: int, end_ms: int, *, keep_stale: bool) -> tuple[Integers, Floats]:
    first, last = _bounds(series.timestamps, start_ms, end_ms)
    times, values = series.timestamps[first:last], series.values[first:last]
    if keep_stale:
        return times, values
    stale = is_stale(values)
    return (times[~stale], values[~stale]) if stale.any() else (times, values)
