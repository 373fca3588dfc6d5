"""Which process is meant: a pid and when it started, for pids are used again.

Nothing here goes by a process's name. A zombie counts as gone.
"""

from __future__ import annotations

import contextlib
import os
import signal
import sys
import time
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

_AFTER_NAME_STATE = 0
_AFTER_NAME_START_TICKS = 19  # field 22 of proc_pid_stat(5); the first after the name is field 3
_POLL_SECONDS = 0.05


@dataclass(frozen=True)
class Identity:
    """One process for as long as it lives, and none that comes after it."""

    pid: int
    started: str

    def is_alive(self) -> bool:
        """Whether that very process still runs."""
        return identify(self.pid) == self

    def signal(self, number: signal.Signals) -> None:
        """Send a signal, to that very process or to none."""
        if self.is_alive():
            with contextlib.suppress(ProcessLookupError):
                os.kill(self.pid, number)


def identify(pid: int) -> Identity | None:
    """The process that has this pid now, or nothing."""
    started = _start_ticks(pid) if sys.platform == "linux" else _start_time(pid)
    return None if started is None else Identity(pid, started)


def end(identities: Iterable[Identity], grace_seconds: float) -> list[Identity]:
    """Stop processes that are no children of ours: SIGTERM, a grace, SIGKILL. Returns those killed."""
    alive = [identity for identity in identities if identity.is_alive()]
    for identity in alive:
        identity.signal(signal.SIGTERM)
    stubborn = outlasting(alive, grace_seconds)
    for identity in stubborn:
        identity.signal(signal.SIGKILL)
    return stubborn


def outlasting(identities: Iterable[Identity], seconds: float) -> list[Identity]:
    """Those of the processes that are still alive after `seconds`; returns at once when none is."""
    deadline = time.monotonic() + seconds
    alive = [identity for identity in identities if identity.is_alive()]
    while alive and time.monotonic() < deadline:
        time.sleep(_POLL_SECONDS)
        alive = [identity for identity in alive if identity.is_alive()]
    return alive


def _start_ticks(pid: int) -> str | None:
    try:
        stat = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace")
    except (FileNotFoundError, ProcessLookupError):
        return None
    fields = stat.rpartition(")")[2].split()
    return None if fields[_AFTER_NAME_STATE] in "ZX" else fields[_AFTER_NAME_START_TICKS]


def _start_time(pid: int) -> str | None:
    import psutil  # noqa: PLC0415 - only where there is no /proc

    try:
        process = psutil.Process(pid)
        return None if process.status() == psutil.STATUS_ZOMBIE else str(process.create_time())
    except psutil.NoSuchProcess:
        return None
