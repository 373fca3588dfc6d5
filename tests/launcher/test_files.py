"""The state directory: one holder, whole files."""

from __future__ import annotations

import signal
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from launcher.errors import CommandFailed
from launcher.files import StateFiles, read_json, write_private

HOLD = """
import sys, time
from pathlib import Path
from launcher.files import StateFiles
with StateFiles(Path(sys.argv[1])).held():
    print("held", flush=True)
    time.sleep(60)
"""


def test_the_directory_can_be_passed_through_but_not_listed_by_others(tmp_path: Path) -> None:
    files = StateFiles(tmp_path / "state")

    files.create()
    files.create()

    assert stat.S_IMODE(files.home.stat().st_mode) == 0o711
    assert stat.S_IMODE(files.logs.stat().st_mode) == 0o700


def test_a_second_holder_is_refused_in_one_line(tmp_path: Path) -> None:
    with StateFiles(tmp_path).held(), pytest.raises(CommandFailed) as refused, StateFiles(tmp_path).held():
        pass

    assert "up already" in str(refused.value)
    assert "\n" not in str(refused.value)


def test_a_holder_that_is_killed_lets_go(tmp_path: Path) -> None:
    holder = subprocess.Popen([sys.executable, "-c", HOLD, str(tmp_path)], stdout=subprocess.PIPE)
    with holder:
        assert holder.stdout is not None
        assert holder.stdout.readline() == b"held\n"
        holder.send_signal(signal.SIGKILL)
        holder.wait()

        with StateFiles(tmp_path).held():
            held = True

    assert held


def test_a_file_is_replaced_whole_and_is_private(tmp_path: Path) -> None:
    path = tmp_path / "file.json"
    path.write_text("an older and longer text")
    path.chmod(0o644)
    old = path.open()

    write_private(path, '{"a": 1}')

    with old:
        assert old.read() == "an older and longer text"
    assert read_json(path) == {"a": 1}
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert list(tmp_path.iterdir()) == [path]


def test_a_missing_file_says_nothing(tmp_path: Path) -> None:
    assert read_json(tmp_path / "none.json") is None
