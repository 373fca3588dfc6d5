"""`tillmesh down`, and what becomes of processes whose supervisor is gone."""

from __future__ import annotations

import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from launcher.cli import run
from launcher.identity import Identity, identify
from launcher.records import SUPERVISOR, Probe, ProbeKind, ProcessRecord, Roster
from servicekit.clock import SystemClock

STEADY = "import time; print('up', flush=True); time.sleep(60)"
PROBE = Probe(ProbeKind.FILE, "/")


class Running:
    """Real processes, listed as a supervisor lists them."""

    def __init__(self, home: Path) -> None:
        self._roster = Roster(home / "processes.json", lambda _: None, SystemClock())
        self._processes: dict[str, subprocess.Popen[bytes]] = {}

    def start(self, name: str) -> None:
        process = subprocess.Popen([sys.executable, "-c", STEADY], stdout=subprocess.PIPE)
        assert process.stdout is not None
        assert process.stdout.readline() == b"up\n"
        self._processes[name] = process
        self.list(name, identify(process.pid))

    def list(self, name: str, identity: Identity | None) -> None:
        self._roster.enter([ProcessRecord(name)])
        self._roster.running(name, identity, PROBE)

    def is_running(self, name: str) -> bool:
        return self._processes[name].poll() is None

    def exit_code(self, name: str) -> int:
        return self._processes[name].wait()

    def pid(self, name: str) -> int:
        return self._processes[name].pid

    def end(self) -> None:
        for process in self._processes.values():
            with process:
                process.kill()


@pytest.fixture
def running(tmp_path: Path) -> Iterator[Running]:
    running = Running(tmp_path)
    yield running
    running.end()


@pytest.fixture
def environ(tmp_path: Path) -> dict[str, str]:
    return {"TILLMESH_HOME": str(tmp_path)}


def test_the_supervisor_is_asked_and_waited_for(
    running: Running, environ: dict[str, str], capsys: pytest.CaptureFixture[str]
) -> None:
    running.start(SUPERVISOR)
    running.start("orders")

    assert run(["down"], environ) == 0

    assert running.exit_code(SUPERVISOR) == -signal.SIGTERM
    assert running.is_running("orders"), "its own supervisor would have stopped it"
    assert capsys.readouterr().out == "Stopped.\n"


def test_what_a_dead_supervisor_left_is_stopped(
    running: Running, environ: dict[str, str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    running.list(SUPERVISOR, Identity(1, "an earlier life"))
    running.start("orders")
    running.start("postgres")

    assert run(["down"], environ) == 0

    assert not running.is_running("orders")
    assert not running.is_running("postgres")
    assert "stopped what it left: orders, postgres" in capsys.readouterr().out
    assert not (tmp_path / "processes.json").exists()


def test_a_pid_that_was_used_again_is_left_alone(
    running: Running, environ: dict[str, str], capsys: pytest.CaptureFixture[str]
) -> None:
    running.start("a stranger")
    running.list("a stranger", Identity(running.pid("a stranger"), "an earlier life"))

    assert run(["down"], environ) == 0

    assert running.is_running("a stranger")
    assert capsys.readouterr().out.startswith("Nothing runs on")
