"""Series that are sampled together: one matrix, a row for each series, a column for each time.

The newest columns lie uncompressed in the head; when it is full its oldest third becomes
a block. A lane is open while samples come; a closed one has blocks only, and its series
go on in another lane when they come back.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Protocol

import numpy as np

from services.monitoring.windows.codec import Decoded, decode, encode
from services.monitoring.windows.model import ABSENT, Numbers, Values

HEAD_COLUMNS = 180
"""15 minutes of pushes each 5 s: at least the last 10 are uncompressed."""
BLOCK_COLUMNS = 60
MOST_ROWS = 1024
"""So many series are packed and unpacked at a time."""
_FEWEST_ROWS = 4

Cohort = tuple[str, ...]
"""Who samples: series of one cohort may share a lane."""


class Segment(Protocol):
    """Where packed blocks lie until all of them are forgotten at once."""

    def read(self, offset: int, size: int) -> bytes:
        """Return bytes that were written."""
        ...


class Block:
    """Columns that no longer change. First they lie as they were, then packed, then in a segment alone."""

    __slots__ = ("_offset", "_payload", "_raw", "_segment", "end_ms", "size", "start_ms")

    def __init__(self, start_ms: int, end_ms: int, raw: Decoded | None = None) -> None:
        self.start_ms = start_ms
        self.end_ms = end_ms
        self.size = 0
        self._raw = raw
        self._payload: bytes | None = None
        self._segment: Segment | None = None
        self._offset = 0

    @property
    def segment(self) -> Segment | None:
        """Where it lies, once it does."""
        return self._segment

    @property
    def is_packed(self) -> bool:
        """Whether it has become bytes."""
        return self._raw is None

    @property
    def memory_bytes(self) -> int:
        """Of samples that are held in memory."""
        raw, payload = self._raw, self._payload
        return (raw.values.nbytes if raw else 0) + (len(payload) if payload else 0)

    def pack(self) -> bytes:
        """Become bytes; returns them. Readers on other threads see either form."""
        raw = self._raw
        if raw is not None:
            self._payload = encode(raw.times, raw.values)
            self.size = len(self._payload)
            self._raw = None
        return self._payload or b""

    def lie(self, segment: Segment, offset: int, size: int) -> None:
        """Note where the bytes are kept besides."""
        self._segment, self._offset, self.size = segment, offset, size

    def cool(self) -> None:
        """Keep the bytes in the segment only."""
        self._payload = None

    def read(self, rows: Numbers) -> Decoded:
        """Return some rows; a row that came later is absent throughout.

        Raises:
            BadBlock: What lies in the segment is not what was written.
        """
        raw, payload = self._raw, self._payload
        if raw is not None:
            return Decoded(raw.times, _rows_of(raw.values, rows))
        if payload is None and self._segment is not None:
            payload = self._segment.read(self._offset, self.size)
        return decode(payload or b"", rows)


class Lane:
    """A matrix of samples. All writing is under the store's lock."""

    def __init__(self, number: int, cohort: Cohort, *, rows: int = _FEWEST_ROWS) -> None:
        self.number = number
        self.cohort = cohort
        self.series: list[int] = []
        """The number of the series in each row."""
        self.blocks: list[Block] = []
        self.is_open = True
        self.touched_at = 0.0
        """When a sample came last, by a monotonic clock."""
        self._times = np.zeros(HEAD_COLUMNS, np.int64)
        self._columns = 0
        self.sealed_ms = int(np.iinfo(np.int64).min)
        """Up to here everything is in blocks."""
        self._head = np.empty((min(max(rows, _FEWEST_ROWS), MOST_ROWS), HEAD_COLUMNS))

    @property
    def last_ms(self) -> int:
        """The newest time there is."""
        return int(self._times[self._columns - 1]) if self._columns else self.sealed_ms

    @property
    def room(self) -> int:
        """How many series more may join."""
        return MOST_ROWS - len(self.series) if self.is_open else 0

    @property
    def head_bytes(self) -> int:
        """What the head takes."""
        return self._head.nbytes

    @property
    def span_ms(self) -> int:
        """From the oldest to the newest time of the head."""
        return int(self._times[self._columns - 1] - self._times[0]) if self._columns else 0

    def join(self, series: int) -> int:
        """Give a series a row; returns it."""
        row = len(self.series)
        if row == len(self._head):
            grown = np.empty((min(row + max(row // 2, _FEWEST_ROWS), MOST_ROWS), HEAD_COLUMNS))
            grown[:row] = self._head
            self._head = grown
        self._head[row, : self._columns] = ABSENT
        self.series.append(series)
        return row

    def has_column(self, time_ms: int) -> bool:
        """Whether a sample of this time can be written: newer than all, or as old as some in the head."""
        return self.is_open and (time_ms > self.last_ms or self._column(time_ms) is not None)

    def write(self, time_ms: int, rows: Numbers, values: Values) -> None:
        """Write samples of one time, for which there is a column."""
        column = self._column(time_ms)
        if column is None:
            if self._columns == HEAD_COLUMNS:
                self.cut(BLOCK_COLUMNS)
            column = self._columns
            self._times[column] = time_ms
            self._head[: len(self.series), column] = ABSENT
            self._columns += 1
        self._head[rows, column] = values

    def cut(self, columns: int) -> None:
        """Make a block of the oldest columns of the head."""
        if not columns:
            return
        rows = len(self.series)
        times = self._times[:columns].copy()
        raw = Decoded(times, self._head[:rows, :columns].copy())
        block = Block(int(times[0]), int(times[-1]), raw)
        self.blocks.append(block)
        left = self._columns - columns
        self._head[:rows, :left] = self._head[:rows, columns : self._columns].copy()
        self._times[:left] = self._times[columns : self._columns].copy()
        self._columns = left
        self.sealed_ms = block.end_ms

    def cut_before(self, time_ms: int) -> None:
        """Make a block of what is older than a time."""
        self.cut(int(np.searchsorted(self._times[: self._columns], time_ms)))

    def close(self) -> None:
        """Make a block of all that the head has, and take no more samples."""
        self.cut(self._columns)
        self.is_open = False
        self._head = np.empty((len(self.series), 0))

    def restore(self, block: Block) -> None:
        """Take back a block from before a restart, newer than those there are."""
        self.blocks.append(block)
        self.sealed_ms = max(self.sealed_ms, block.end_ms)

    def unkept(self) -> list[Block]:
        """The blocks that lie in no segment yet, the oldest first."""
        first = len(self.blocks)
        while first and self.blocks[first - 1].segment is None:
            first -= 1
        return self.blocks[first:]

    def overlapping(self, start_ms: int, end_ms: int) -> Iterator[Block]:
        """The blocks with a time from start to end."""
        return (block for block in self.blocks if block.start_ms <= end_ms and block.end_ms >= start_ms)

    def head_part(self, rows: Numbers, start_ms: int, end_ms: int) -> Decoded:
        """Copy what the head has from start to end, both included."""
        times = self._times[: self._columns]
        first, last = np.searchsorted(times, start_ms), np.searchsorted(times, end_ms, "right")
        return Decoded(times[first:last].copy(), self._head[rows, first:last])

    def _column(self, time_ms: int) -> int | None:
        if not self._columns or time_ms > self._times[self._columns - 1]:
            return None
        column = int(np.searchsorted(self._times[: self._columns], time_ms))
        return column if self._times[column] == time_ms else None


def _rows_of(values: Values, rows: Numbers) -> Values:
    if not rows.size or int(rows.max()) < len(values):
        return values[rows]
    found = np.full((rows.size, values.shape[1]), ABSENT)
    there = rows < len(values)
    found[there] = values[rows[there]]
    return found
