"""`tillmesh up` refusing: before anything is started, in one line, and alike behind us.

What it does when it does not refuse is tested with the whole mesh (tests/process).
"""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from launcher.files import StateFiles

KINDS = pytest.mark.parametrize("kind", ["--quiet", "--detach"])


@pytest.fixture
def base() -> Iterator[int]:
    """A base whose first port somebody holds."""
    with socket.create_server(("127.0.0.1", 0)) as holder:
        yield holder.getsockname()[1]


def up(home: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "launcher", "up", *arguments]
    environ = os.environ | {"TILLMESH_HOME": str(home)}
    return subprocess.run(command, env=environ, capture_output=True, text=True, check=False, timeout=60)


@KINDS
def test_a_taken_port_is_one_line_and_nothing_is_started(tmp_path: Path, base: int, kind: str) -> None:
    ended = up(tmp_path, kind, "--port-base", str(base))

    assert ended.returncode == 1
    assert ended.stderr.startswith(("tillmesh: Port ", "tillmesh: Ports "))
    assert f" {base} (gateway, http)" in ended.stderr
    assert ended.stderr.count("\n") == 1
    assert not (tmp_path / "processes.json").exists()
    assert not (tmp_path / "postgres").exists()


@KINDS
def test_a_second_one_on_the_same_state_is_refused(tmp_path: Path, kind: str) -> None:
    with StateFiles(tmp_path).held():
        ended = up(tmp_path, kind)

    assert (ended.returncode, ended.stdout) == (1, "")
    assert ended.stderr.startswith("tillmesh: Tillmesh is up already on")


def test_a_state_directory_that_cannot_be_is_said_so(tmp_path: Path) -> None:
    (tmp_path / "file").touch()

    ended = up(tmp_path / "file" / "state", "--quiet")

    assert ended.returncode == 1
    assert "cannot be made: Not a directory" in ended.stderr
