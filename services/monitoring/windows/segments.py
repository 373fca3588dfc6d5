"""Where packed blocks lie: in segments of two hours, each forgotten as a whole, the oldest first."""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

from typing_extensions import override

from services.monitoring.promql import Labels
from services.monitoring.windows import records
from services.monitoring.windows.journal import write_all
from services.monitoring.windows.lane import Block, Lane, Segment
from services.monitoring.windows.model import Bounds

SPAN_MS = 2 * 3600 * 1000
_NEVER = -(1 << 62)


class Shelf:
    """The segments of one store, in memory: blocks keep their bytes themselves."""

    def __init__(self, bounds: Bounds) -> None:
        self._bounds = bounds
        self.segments: list[KeptSegment] = []

    def put(self, lane: Lane, block: Block) -> None:
        """Keep a packed block.

        Raises:
            OSError: The disk did not take it.
        """
        segment = self._current(block)
        offset = segment.add(lane, block)
        block.lie(segment, offset, block.size)

    def overdue(self) -> frozenset[Segment]:
        """The segments that are too old, or stand in the way of newer ones."""
        newest = max((segment.end_ms for segment in self.segments), default=0)
        oldest = newest - self._bounds.history_seconds * 1000
        size = sum(segment.size for segment in self.segments)
        overdue = set()
        for segment in sorted(self.segments, key=lambda segment: segment.end_ms)[:-1]:
            if segment.end_ms >= oldest and size <= self._bounds.history_bytes:
                break
            size -= segment.size
            overdue.add(segment)
        return frozenset(overdue)

    def drop(self, segments: Iterable[Segment]) -> None:
        """Remove segments in which no block is known any more."""
        gone = set(segments)
        for segment in [segment for segment in self.segments if segment in gone]:
            self.segments.remove(segment)
            segment.remove()

    def _current(self, block: Block) -> KeptSegment:
        last = self.segments[-1] if self.segments else None
        if last is None or not last.is_open or block.end_ms - last.start_ms > SPAN_MS:
            last = self._made()
            self.segments.append(last)
        return last

    def _made(self) -> KeptSegment:
        return KeptSegment()


class KeptSegment:
    """Two hours of blocks."""

    def __init__(self) -> None:
        self.start_ms = -_NEVER
        self.end_ms = _NEVER
        self.size = 0
        self.is_open = True

    def add(self, lane: Lane, block: Block) -> int:  # noqa: ARG002 - a file tells of lanes
        """Take a block; returns its offset."""
        self.note(block)
        return 0

    def note(self, block: Block) -> None:
        """Count a block that lies here."""
        self.start_ms = min(self.start_ms, block.start_ms)
        self.end_ms = max(self.end_ms, block.end_ms)
        self.size += block.size

    def read(self, offset: int, size: int) -> bytes:
        """Return bytes that were written."""
        raise OSError(f"{size} bytes at {offset} are in memory only")

    def remove(self) -> None:
        """Be gone."""


class FileShelf(Shelf):
    """The segments of one store, each a file that tells which series lie in its lanes.

    Args:
        folder: Where the files are.
        bounds: What may be kept.
        labels: The labels of a series, by its number.
        number: Of the first file.
    """

    def __init__(self, folder: Path, bounds: Bounds, labels: Callable[[int], Labels], number: int) -> None:
        super().__init__(bounds)
        self._folder = folder
        self._labels = labels
        self._number = number
        self._hot: deque[Block] = deque()

    @override
    def put(self, lane: Lane, block: Block) -> None:
        super().put(lane, block)
        self._hot.append(block)

    def sync(self) -> None:
        """Wait until the disk has everything.

        Raises:
            OSError: The disk fails.
        """
        for segment in self._files():
            segment.sync()

    def cool(self) -> None:
        """Give back the memory of blocks that are hot no more: they are read from the disk."""
        newest = max((segment.end_ms for segment in self.segments), default=0)
        while self._hot and self._hot[0].end_ms < newest - self._bounds.hot_seconds * 1000:
            self._hot.popleft().cool()

    def close(self) -> None:
        """Let go of files."""
        for segment in self._files():
            segment.close()

    @override
    def _made(self) -> KeptSegment:
        for segment in self._files():
            segment.sync()
            segment.is_open = False
        self._number += 1
        return FileSegment(self._folder / f"blocks-{self._number - 1:08}", self._labels)

    def _files(self) -> Iterator[FileSegment]:
        return (segment for segment in self.segments if isinstance(segment, FileSegment))


class FileSegment(KeptSegment):
    """A segment in a file. One that was there before a restart is only read."""

    def __init__(self, path: Path, labels: Callable[[int], Labels] | None) -> None:
        super().__init__()
        self.is_open = labels is not None
        self._path = path
        self._labels = labels
        self._told: dict[int, int] = {}
        self._is_synced = True
        flags = os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_APPEND if labels else os.O_RDONLY
        self._file = os.open(path, flags, 0o600)
        self._end = 0
        if labels:
            self._append(records.MAGIC)

    @override
    def add(self, lane: Lane, block: Block) -> int:
        told, count = self._told.get(lane.number, 0), len(lane.series)
        data = b""
        if told < count and self._labels is not None:
            labels = [self._labels(series) for series in lane.series[told:count]]
            data = records.rows_record(records.RowsRecord(lane.number, lane.cohort, told, labels))
        offset = self._end + len(data) + records.BLOCK_OFFSET
        try:
            self._append(data + records.block_record(lane.number, block.start_ms, block.end_ms, block.pack()))
        except OSError:
            self.is_open = False  # it may end in a torn record, after which nothing would be found
            raise
        self._told[lane.number] = count
        self.note(block)
        return offset

    @override
    def read(self, offset: int, size: int) -> bytes:
        return os.pread(self._file, size, offset)

    @override
    def remove(self) -> None:
        # Readers may still hold it: the descriptor goes with the last of them.
        self._path.unlink(missing_ok=True)

    def sync(self) -> None:
        """Wait until the disk has everything."""
        if not self._is_synced:
            os.fdatasync(self._file)
            self._is_synced = True

    def close(self) -> None:
        """Let go of the file."""
        self.is_open = False
        if self._file >= 0:
            os.close(self._file)
            self._file = -1

    def __del__(self) -> None:
        self.close()

    def _append(self, data: bytes) -> None:
        self._is_synced = False
        write_all(self._file, data)
        self._end += len(data)
