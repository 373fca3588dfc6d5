"""What makes the store outlive its process, and keeps it within its bounds: one round each second.

A round packs blocks, puts them where they are kept, and only then drops the journal of
their samples; so at every moment each sample is in the journal or in a kept block, and
a process can be killed at any of them.
"""

from __future__ import annotations

import fcntl
import os
from pathlib import Path

from typing_extensions import override

from services.monitoring.windows.journal import WriteAhead
from services.monitoring.windows.lane import Block, Lane
from services.monitoring.windows.segments import FileShelf, Shelf
from services.monitoring.windows.store import Windows

_NOTHING_MS = -(1 << 62)


class FolderTaken(Exception):
    """Another process keeps its windows in this folder."""


class Keeper:
    """Keeps a store within its bounds, in memory only: it ends with its process."""

    def __init__(self, windows: Windows) -> None:
        self._windows = windows
        self._shelf = Shelf(windows.bounds)

    def keep(self) -> None:
        """Do one round. Call it from a thread: it computes, and may wait for a disk.

        Raises:
            OSError: The disk fails. What is in memory stays there, and the next round tries again.
        """
        shelve(self._windows, self._shelf)
        expire(self._windows, self._shelf)

    def close(self) -> None:
        """Do a last round, and let go of files.

        Raises:
            OSError: The disk fails: what it does not have is lost.
        """


class FolderKeeper(Keeper):
    """Keeps a store in a folder besides.

    Args:
        windows: An empty store; it gets what the folder has.
        folder: Made if need be.
        now: Seconds by a monotonic clock.

    Raises:
        FolderTaken: Another process has it.
        OSError: It cannot be read or written.
    """

    def __init__(self, windows: Windows, folder: Path, now: float = 0.0) -> None:
        super().__init__(windows)
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._lock = _locked(folder)
        blocks, journals = sorted(folder.glob("blocks-*")), sorted(folder.glob("journal-*"))
        number = 1 + max((int(path.name.rpartition("-")[2]) for path in (*blocks, *journals)), default=0)
        self._files = FileShelf(folder, windows.bounds, windows.labels, number)
        self._journal = WriteAhead(folder, windows.labels, number)
        with windows.restoring() as restoration:
            self._files.segments += [restoration.blocks(path) for path in blocks]
            self._saved_ms = {lane.number: lane.sealed_ms for lane in restoration.lanes()}
            self._journal.files += [restoration.journal(path, now) for path in journals]
        self.restored = restoration.found
        """What the folder had."""
        windows.journal = self._journal

    @override
    def keep(self) -> None:
        put = shelve(self._windows, self._files)
        self._files.sync()
        self._saved_ms |= {lane.number: block.end_ms for lane, block in put}
        self._journal.flush()
        self._files.cool()
        expire(self._windows, self._files)
        self._journal.drop(self._saved)

    @override
    def close(self) -> None:
        try:
            self.keep()
        finally:
            self._journal.close()
            self._files.close()
            os.close(self._lock)

    def _saved(self, lane: int) -> int | None:
        """Up to which time a lane is in kept blocks; `None` for one that is gone."""
        if not self._windows.has_lane(lane):
            self._saved_ms.pop(lane, None)
            return None
        return self._saved_ms.get(lane, _NOTHING_MS)


def shelve(windows: Windows, shelf: Shelf) -> list[tuple[Lane, Block]]:
    """Pack what was cut since the last round, and put it where it is kept."""
    cut = windows.unkept()
    for lane, block in cut:
        block.pack()
        shelf.put(lane, block)
    return cut


def expire(windows: Windows, shelf: Shelf) -> None:
    """Forget what the bounds do not allow any more."""
    overdue = shelf.overdue()
    if overdue:
        windows.forget(overdue)
        shelf.drop(overdue)


def _locked(folder: Path) -> int:
    """An open file that no other process can have while we do; the kernel lets go of it when we die."""
    lock = os.open(folder / "lock", os.O_RDWR | os.O_CREAT, 0o600)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(lock)
        raise FolderTaken(f"{folder} belongs to another process that runs") from None
    return lock
