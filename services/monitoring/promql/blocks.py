"""Selected series as matrices: the form in which numpy can work on many at once.

Series that share their timestamps array become rows of one block with one row of
timestamps. Where few do, and where stale markers are to be left out, rows are padded to
the same length, each with timestamps of its own. Blocks are kept small enough to stay in
the processor's cache while a kernel goes over them.
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
FEW_ROWS = 32
"""Series that share their timestamps, but are fewer than this, are padded like those that do not."""
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
    groups = groups_of(selection)
    small = [group for group in groups if len(group.rows) < FEW_ROWS] if len(groups) > 1 else []
    large = [group for group in groups if len(group.rows) >= FEW_ROWS] if len(groups) > 1 else groups
    for group in large:
        for block in _shared_blocks(selection, group, start_ms, end_ms):
            yield from [block] if keep_stale else _without_stale(block)
    for block in _padded_blocks(selection, small, start_ms, end_ms):
        yield from [block] if keep_stale else _without_stale(block)


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


def _padded_blocks(
    selection: Sequence[Series], groups: Sequence[Group], start_ms: int, end_ms: int
) -> Iterator[Block]:
    """Yield blocks whose rows have timestamps each of their own; the longest first, so as to pad little."""
    parts = [(group, slice(*_bounds(group.timestamps, start_ms, end_ms))) for group in groups]
    parts.sort(key=lambda part: part[1].stop - part[1].start, reverse=True)
    begin = 0
    while begin < len(parts):
        width = max(1, parts[begin][1].stop - parts[begin][1].start)
        end = begin + max(1, BLOCK_VALUES // (width * FEW_ROWS))
        yield _padded(selection, parts[begin:end], width)
        begin = end


def _padded(selection: Sequence[Series], parts: Sequence[tuple[Group, slice]], width: int) -> Block:
    sizes = [len(group.rows) for group, _ in parts]
    lengths = np.repeat([part.stop - part.start for _, part in parts], sizes)
    filled = np.arange(width) < lengths[:, None]
    times = np.full(filled.shape, _NEVER, dtype=np.int64)
    values = np.zeros(filled.shape)
    shared = [group.timestamps[part] for group, part in parts]
    times[filled] = np.concatenate(
        [each for each, size in zip(shared, sizes, strict=True) for _ in range(size)]
    )
    values[filled] = np.concatenate(
        [selection[row].values[part] for group, part in parts for row in group.rows]
    )
    return Block(np.array([row for group, _ in parts for row in group.rows]), times, values, lengths)


def _without_stale(block: Block) -> Iterator[Block]:
    """Yield the rows of a block, those that hold stale markers without these."""
    stale = is_stale(block.values)
    if not stale.any():
        yield block
        return
    marked: Bools = np.logical_or.reduce(stale, axis=1)
    yield _take(block, np.flatnonzero(~marked))
    few = _take(block, np.flatnonzero(marked))
    kept = ~stale[marked]
    if few.lengths is not None:
        kept &= np.arange(kept.shape[1]) < few.lengths[:, None]
    yield _gapless(few.rows, np.broadcast_to(few.times, kept.shape), few.values, kept)


def _take(block: Block, rows: Indexes) -> Block:
    times = block.times if len(block.times) == 1 else block.times[rows]
    lengths = None if block.lengths is None else block.lengths[rows]
    return Block(block.rows[rows], times, block.values[rows], lengths)


def _gapless(rows: Indexes, times: Integers, values: Floats, kept: Bools) -> Block:
    """Return a block of the samples that are kept, moved together."""
    order = np.argsort(~kept, axis=1, kind="stable")
    lengths = kept.sum(axis=1)
    moved = np.take_along_axis(times, order, axis=1)
    moved[np.arange(kept.shape[1]) >= lengths[:, None]] = _NEVER
    return Block(rows, moved, np.take_along_axis(values, order, axis=1), lengths)


def compacted(times: Integers, values: Floats, present: Bools | None) -> Iterator[Block]:
    """Yield blocks of the values that are present, of a matrix whose columns are at `times`."""
    height = max(1, BLOCK_VALUES // max(1, values.shape[1]))
    for begin in range(0, len(values), height):
        rows = np.arange(begin, min(begin + height, len(values)))
        if present is None or present[rows].all():
            yield Block(rows, times[None, :], values[rows])
        else:
            shared = np.broadcast_to(times, (len(rows), len(times)))
            yield _gapless(rows, shared, values[rows], present[rows])


def _bounds(times: Integers, start_ms: int, end_ms: int) -> tuple[int, int]:
    return int(times.searchsorted(start_ms)), int(times.searchsorted(end_ms, side="right"))
