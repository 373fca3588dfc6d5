"""A tethered process ends when its parent does, however that ends."""

from __future__ import annotations

import signal
import subprocess
import sys

import pytest

from launcher.identity import identify, outlasting
from launcher.tether import tethered

PARENT = """
import subprocess, sys, time
from launcher.tether import tethered
command = [sys.executable, "-c", "import time; time.sleep(60)"]
child = subprocess.Popen(tethered(command) if sys.argv[1] == "tethered" else command)
print(child.pid, flush=True)
time.sleep(60)
"""


def child_of_a_killed_parent(kind: str) -> int:
    with subprocess.Popen([sys.executable, "-c", PARENT, kind], stdout=subprocess.PIPE) as parent:
        assert parent.stdout is not None
        pid = int(parent.stdout.readline())
        parent.send_signal(signal.SIGKILL)
    return pid


@pytest.mark.skipif(sys.platform != "linux", reason="prctl(2) is Linux's")
def test_a_tethered_process_ends_with_a_killed_parent() -> None:
    child = identify(child_of_a_killed_parent("tethered"))

    assert child is None or outlasting([child], 10) == []


def test_without_the_tether_it_lives_on() -> None:
    child = identify(child_of_a_killed_parent("bare"))

    assert child is not None
    assert child.is_alive()
    child.signal(signal.SIGKILL)


def test_it_keeps_its_pid_its_arguments_and_its_exit_code() -> None:
    script = "import os, sys; print(os.getpid(), sys.argv[1:]); sys.exit(7)"

    with subprocess.Popen(tethered([sys.executable, "-c", script, "a b"]), stdout=subprocess.PIPE) as process:
        said = process.communicate()[0].decode()

    assert said == f"{process.pid} ['a b']\n"
    assert process.returncode == 7
