"""Processes are known by pid and start, and ended by no other sign."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator

import pytest

from launcher.identity import Identity, end, identify, outlasting

OBEYS = "import time; print('up', flush=True); time.sleep(60)"
IGNORES = f"import signal; signal.signal(signal.SIGTERM, signal.SIG_IGN); {OBEYS}"


@pytest.fixture
def child(request: pytest.FixtureRequest) -> Iterator[subprocess.Popen[bytes]]:
    with subprocess.Popen([sys.executable, "-c", request.param], stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == b"up\n"
        yield process
        process.kill()


def identity_of(process: subprocess.Popen[bytes]) -> Identity:
    identity = identify(process.pid)
    assert identity is not None
    return identity


def test_we_are_alive() -> None:
    ourselves = identify(os.getpid())

    assert ourselves is not None
    assert ourselves.is_alive()


@pytest.mark.parametrize("child", [OBEYS], indirect=True)
def test_a_pid_that_was_used_again_is_another_process(child: subprocess.Popen[bytes]) -> None:
    earlier = Identity(child.pid, "1")

    earlier.signal(signal.SIGKILL)

    assert not earlier.is_alive()
    assert identity_of(child).is_alive()


@pytest.mark.parametrize("child", [OBEYS], indirect=True)
def test_a_zombie_is_gone(child: subprocess.Popen[bytes]) -> None:
    identity = identity_of(child)

    os.kill(child.pid, signal.SIGKILL)

    assert outlasting([identity], 10) == []


@pytest.mark.parametrize("child", [OBEYS], indirect=True)
def test_who_obeys_is_not_killed(child: subprocess.Popen[bytes]) -> None:
    assert end([identity_of(child)], 10) == []
    assert child.wait() == -signal.SIGTERM


@pytest.mark.parametrize("child", [IGNORES], indirect=True)
def test_who_does_not_obey_is_killed(child: subprocess.Popen[bytes]) -> None:
    identity = identity_of(child)

    assert end([identity], 0.1) == [identity]
    assert child.wait() == -signal.SIGKILL
