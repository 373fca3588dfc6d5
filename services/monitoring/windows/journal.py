"""The write-ahead journal: every sample that is in a head and not yet in a kept block.

Notes are taken in memory and written by whoever calls `flush`, each second: so a
process that is killed loses that second at most, and no push waits for a disk. Files
change when they are large; each says itself which series lie where.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from typing_extensions import override

from services.monitoring.promql import Labels
from services.monitoring.windows import records
from services.monitoring.windows.lane import Lane
from services.monitoring.windows.model import Numbers, Values
from services.monitoring.windows.ports import Journal

FILE_BYTES = 16 * 1024 * 1024

MOST_WAITING_BYTES = 64 * 1024 * 1024
"""Of notes for a disk that hangs: what comes then is kept in memory only."""


@dataclass
class JournalFile:
    """One file of the journal, and up to which time it has samples of each lane."""

    path: Path
    newest_ms: dict[int, int] = field(default_factory=dict)

    def hears(self, lane: int, time_ms: int) -> None:
        """Note that it has a sample."""
        self.newest_ms[lane] = max(time_ms, self.newest_ms.get(lane, time_ms))


class WriteAhead(Journal):
    """Notes on their way to files.

    Args:
        folder: Where the files are.
        labels: The labels of a series, by its number.
        number: Of the first file.
    """

    def __init__(self, folder: Path, labels: Callable[[int], Labels], number: int) -> None:
        self._folder = folder
        self._labels = labels
        self._number = number
        self._lock = threading.Lock()
        self._notes: list[bytes] = []
        self._waiting = 0
        self._told: dict[int, int] = {}
        self._newest: dict[int, int] = {}
        self._size = 0
        self._file: int | None = None
        self.files: list[JournalFile] = []
        self.samples_unwritten = 0
        """How many were not noted because too much waited for the disk."""

    @override
    def wrote(self, lane: Lane, time_ms: int, rows: Numbers, values: Values) -> None:
        with self._lock:
            if self._waiting > MOST_WAITING_BYTES:
                self.samples_unwritten += rows.size
                return
            told = self._told.get(lane.number, 0)
            if told < len(lane.series):
                labels = [self._labels(series) for series in lane.series[told:]]
                self._note(records.rows_record(records.RowsRecord(lane.number, lane.cohort, told, labels)))
                self._told[lane.number] = len(lane.series)
            self._note(records.samples_record(records.SamplesRecord(lane.number, time_ms, rows, values)))
            self._newest[lane.number] = max(time_ms, self._newest.get(lane.number, time_ms))

    def flush(self) -> None:
        """Write what was noted, and wait until the disk has it.

        Raises:
            OSError: The disk did not take it; what was noted is lost, and the next flush begins a new file.
        """
        with self._lock:
            data, self._notes, self._waiting = b"".join(self._notes), [], 0
            newest, self._newest = self._newest, {}
            is_last = self._size + len(data) > FILE_BYTES
            if is_last:
                self._told = {}
        if not data:
            return
        try:
            self._write(data, newest)
        except OSError:
            self._end_file()
            raise
        if is_last:
            self._end_file()

    def drop(self, saved_ms: Callable[[int], int | None]) -> None:
        """Remove files all of whose samples are in kept blocks, or in lanes that are gone.

        Args:
            saved_ms: Up to which time a lane is in kept blocks; `None` for a lane that is gone.
        """
        for file in list(self.files if self._file is None else self.files[:-1]):
            saved = {lane: saved_ms(lane) for lane in file.newest_ms}
            if all(until is None or until >= file.newest_ms[lane] for lane, until in saved.items()):
                file.path.unlink(missing_ok=True)
                self.files.remove(file)

    def close(self) -> None:
        """Write what is left."""
        try:
            self.flush()
        finally:
            self._end_file()

    def _note(self, record: bytes) -> None:
        self._notes.append(record)
        self._waiting += len(record)

    def _write(self, data: bytes, newest: dict[int, int]) -> None:
        if self._file is None:
            path = self._folder / f"journal-{self._number:08}"
            self._number += 1
            self.files.append(JournalFile(path))
            self._file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_APPEND, 0o600)
            write_all(self._file, records.MAGIC)
        for lane, time_ms in newest.items():
            self.files[-1].hears(lane, time_ms)
        write_all(self._file, data)
        os.fdatasync(self._file)
        self._size += len(data)

    def _end_file(self) -> None:
        if self._file is not None:
            os.close(self._file)
            self._file = None
        with self._lock:
            self._told = {}
            self._size = 0


def write_all(file: int, data: bytes) -> None:
    """Write everything, however many calls it takes."""
    left = memoryview(data)
    while left:
        left = left[os.write(file, left) :]
