"""What a folder gives back to the next process."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from services.monitoring.windows import Bounds, FolderKeeper, FolderTaken, Windows
from services.monitoring.windows.records import Damaged, read
from tests.services.monitoring.windows.test_store import NOW, kept, labels, push


class Opened:
    """A store in a folder, as one process has it."""

    def __init__(self, folder: Path, bounds: Bounds | None = None) -> None:
        self.windows = Windows(bounds)
        self.keeper = FolderKeeper(self.windows, folder)

    def push(self, first: int, last: int, *, rounds: int = 50) -> None:
        for step in range(first, last):
            samples = ((labels(n=str(n)), float(step * n)) for n in range(5))
            push(self.windows, NOW + 5_000 * step, *samples, now=5.0 * step)
            if step % rounds == 0:
                self.windows.rest(5.0 * step)
                self.keeper.keep()

    def die(self) -> None:
        """Let go of the lock, as the kernel does for a process that is killed. Write nothing."""
        os.close(self.keeper._lock)


def test_a_process_that_was_killed_loses_only_what_came_after_the_last_round(tmp_path: Path) -> None:
    first = Opened(tmp_path)
    first.push(0, 1_000)
    first.keeper.keep()
    before = kept(first.windows)
    push(first.windows, NOW + 5_000 * 1_000, (labels(n="0"), 1.0))
    first.die()

    second = Opened(tmp_path)

    assert kept(second.windows) == before
    assert second.keeper.restored.damaged == 0


def test_it_goes_on_where_it_ended_again_and_again(tmp_path: Path) -> None:
    whole = Windows()
    for start in range(0, 900, 100):
        opened = Opened(tmp_path)
        opened.push(start, start + 100, rounds=7)
        opened.keeper.keep()
        opened.die()
        for step in range(start, start + 100):
            push(whole, NOW + 5_000 * step, *((labels(n=str(n)), float(step * n)) for n in range(5)))

    assert kept(Opened(tmp_path).windows) == kept(whole)


def test_whatever_a_kill_leaves_of_the_last_write_the_rest_is_whole(tmp_path: Path) -> None:
    first = Opened(tmp_path)
    first.push(0, 300)
    first.keeper.keep()
    before = kept(first.windows)
    first.die()
    [journal] = sorted(tmp_path.glob("journal-*"))[-1:]
    with journal.open("ab") as file:
        file.write(b"\x02\x40\x00\x00\x00torn")

    second = Opened(tmp_path)
    again = kept(second.windows)
    second.push(300, 310)
    second.keeper.keep()

    assert again == before
    assert second.keeper.restored.damaged == 1
    assert len(kept(second.windows)[labels(n="1")]) == 310


def test_a_flipped_bit_is_noticed(tmp_path: Path) -> None:
    opened = Opened(tmp_path)
    opened.push(0, 10, rounds=1)
    opened.keeper.close()
    [journal] = tmp_path.glob("journal-*")
    data = bytearray(journal.read_bytes())
    data[len(data) // 2] ^= 4
    journal.write_bytes(data)

    with pytest.raises(Damaged):
        list(read(journal))
    assert Opened(tmp_path).keeper.restored.damaged == 1


def test_the_journal_holds_no_more_than_what_is_in_no_block(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("services.monitoring.windows.journal.FILE_BYTES", 20_000)
    opened = Opened(tmp_path)

    opened.push(0, 4_000)
    opened.keeper.keep()

    # 180 columns may lie in a head: 5 series of 10 bytes each, and some 30 for each record.
    assert sum(path.stat().st_size for path in tmp_path.glob("journal-*")) < 60_000


def test_blocks_that_are_hot_no_more_are_read_from_the_disk(tmp_path: Path) -> None:
    opened = Opened(tmp_path, Bounds(hot_seconds=600))
    opened.push(0, 3_000)
    opened.keeper.keep()

    occupancy = opened.windows.occupancy()

    assert occupancy.block_bytes < 5_000
    assert len(kept(opened.windows)[labels(n="3")]) == 3_000


def test_two_processes_cannot_have_one_folder(tmp_path: Path) -> None:
    Opened(tmp_path)

    with pytest.raises(FolderTaken, match=tmp_path.name):
        Opened(tmp_path)


def test_a_disk_that_fails_costs_no_sample_in_memory_and_heals(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    opened = Opened(tmp_path)
    opened.push(0, 500)

    def full(*_: object) -> int:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as broken:
        broken.setattr(os, "write", full)
        with pytest.raises(OSError, match="No space"):
            opened.push(500, 800)
    opened.push(800, 1_600)
    opened.keeper.keep()
    opened.die()

    assert len(kept(Opened(tmp_path).windows)[labels(n="2")]) > 1_000
