"""A store made whole again from its files: blocks first, then what the journal has beyond them.

To read a journal twice does no harm: what is in a block already is passed over.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from services.monitoring.windows import records
from services.monitoring.windows.journal import JournalFile
from services.monitoring.windows.lane import Block, Lane
from services.monitoring.windows.lanes import Lanes
from services.monitoring.windows.model import StoreFull
from services.monitoring.windows.registry import Registry
from services.monitoring.windows.segments import FileSegment


@dataclass
class Restored:
    """What was found when a store was opened.

    Attributes:
        blocks: Kept blocks.
        samples: Samples in the journal that were in no kept block.
        damaged: Files that do not end with a whole record. After a kill the newest of each kind may.
    """

    blocks: int = 0
    samples: int = 0
    damaged: int = 0


class Restoration:
    """Puts what files tell back into an empty store."""

    def __init__(self, registry: Registry, lanes: Lanes) -> None:
        self._registry = registry
        self._lanes = lanes
        self.found = Restored()

    def blocks(self, path: Path) -> FileSegment:
        """Take back the blocks of a file."""
        segment = FileSegment(path, None)
        for record in self._records(path):
            if isinstance(record, records.RowsRecord):
                self._rows(record)
            elif isinstance(record, records.BlockRecord):
                self._block(record, segment)
        return segment

    def journal(self, path: Path, now: float) -> JournalFile:
        """Take back the samples of a file of the journal."""
        file = JournalFile(path)
        for record in self._records(path):
            if isinstance(record, records.RowsRecord):
                self._rows(record)
            elif isinstance(record, records.SamplesRecord):
                file.hears(record.lane, record.time_ms)
                self._samples(record, now)
        return file

    def lanes(self) -> list[Lane]:
        """The lanes there are so far."""
        return list(self._lanes)

    def _records(self, path: Path) -> Iterator[records.Record]:
        try:
            yield from records.read(path)
        except records.Damaged:
            self.found.damaged += 1

    def _rows(self, record: records.RowsRecord) -> None:
        lane = self._lanes.restored(record.lane, record.cohort)
        for row, labels in enumerate(record.labels, record.first_row):
            if row == len(lane.series):
                try:
                    self._lanes.join(lane, self._registry.number_of(labels, record.cohort))
                except StoreFull:  # the bounds are narrower now: what does not fit is left
                    return

    def _block(self, record: records.BlockRecord, segment: FileSegment) -> None:
        lane = self._lanes.find(record.lane)
        if lane is None:
            return
        block = Block(record.start_ms, record.end_ms)
        block.lie(segment, record.offset, record.size)
        segment.note(block)
        lane.restore(block)
        self._registry.span(np.array(lane.series, np.int64), block.start_ms, block.end_ms)
        self.found.blocks += 1

    def _samples(self, record: records.SamplesRecord, now: float) -> None:
        lane = self._lanes.find(record.lane)
        if lane is None or not lane.has_column(record.time_ms) or record.time_ms <= lane.sealed_ms:
            return
        is_known = record.rows < len(lane.series)
        rows, values = record.rows[is_known], record.values[is_known]
        lane.write(record.time_ms, rows, values)
        lane.touched_at = now
        self._registry.advance(np.array(lane.series, np.int64)[rows], record.time_ms, values)
        self.found.samples += rows.size
