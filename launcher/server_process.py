"""One database server as our direct child, and the end of those that outlived their launcher.

The child has a session of its own, so a Ctrl-C in the terminal reaches the
launcher alone, which then stops its children in order.
"""

import asyncio
import contextlib
import fcntl
import os
import signal
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, BinaryIO

import psutil

from launcher.accounts import Account

_POLL_SECONDS = 0.02
_LOG_TAIL_LINES = 8
_BARE_ENVIRON: Mapping[str, str] = {"PATH": os.defpath, "LC_ALL": "C"}


class ServerFailed(Exception):
    """A database server did not start; the message ends with what it logged."""


class HomeInUse(Exception):
    """Another launcher that is alive holds this server's folder."""


class HomeLock:
    """An advisory lock on a server's folder; the kernel lets go of it when its holder dies."""

    def __init__(self, home: Path) -> None:
        self._path = home / "lock"
        self._file: BinaryIO | None = None

    def take(self) -> None:
        """Take the lock, or raise HomeInUse at once."""
        if self._file is not None:
            return
        file = self._path.open("ab")
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            file.close()
            raise HomeInUse(f"{self._path.parent} is in use by another launcher") from None
        self._file = file

    def release(self) -> None:
        """Let go, if held."""
        if self._file is not None:
            self._file.close()
            self._file = None


class ServerProcess:
    """A child process whose output goes to a log file; it finds `environ` and nothing of ours."""

    def __init__(self, name: str, log: Path, environ: Mapping[str, str] = _BARE_ENVIRON) -> None:
        self._name = name
        self._log = log
        self._environ = environ
        self._process: asyncio.subprocess.Process | None = None

    @property
    def pid(self) -> int | None:
        """The process id while it runs, else None."""
        if self._process is None or self._process.returncode is not None:
            return None
        return self._process.pid

    async def spawn(self, command: Sequence[str | Path], account: Account, cwd: Path) -> None:
        """Start the child as `account`."""
        self._log.parent.mkdir(parents=True, exist_ok=True)
        with self._log.open("ab") as log:
            self._process = await asyncio.create_subprocess_exec(
                *command,
                stdin=asyncio.subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                cwd=cwd,
                env=self._environ,
                start_new_session=True,
                **_identity(account),
            )

    async def wait(self) -> int:
        """Wait until the child ends; returns its exit code (negative: the signal's number)."""
        if self._process is None:
            raise ServerFailed(f"{self._name} was never started")
        return await self._process.wait()

    async def run(self, command: Sequence[str | Path], account: Account, cwd: Path) -> None:
        """Run a command that ends by itself; a failure is ServerFailed with what it said."""
        await self.spawn(command, account, cwd)
        code = await self.wait()
        if code != 0:
            raise self._failure(f"exited with {code}")

    async def wait_until(self, ready: Callable[[], bool], timeout_seconds: float) -> None:
        """Wait until `ready()`; ServerFailed when the child ends first or time runs out."""
        try:
            async with asyncio.timeout(timeout_seconds):
                while not ready():
                    if self.pid is None:
                        raise self._failure("ended before it was ready")
                    await asyncio.sleep(_POLL_SECONDS)
        except TimeoutError:
            raise self._failure(f"was not ready within {timeout_seconds:g} s") from None

    async def stop(self, *steps: tuple[signal.Signals, float]) -> None:
        """Send each signal in turn, waiting its seconds for the child to end; at last SIGKILL."""
        if self._process is None:
            return
        for number, seconds in steps:
            if self.pid is None:
                return
            self._process.send_signal(number)
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._process.wait(), seconds)
        if self.pid is not None:
            self._process.kill()
            await self._process.wait()

    def _failure(self, what: str) -> ServerFailed:
        lines = self._log.read_text(errors="replace").splitlines()[-_LOG_TAIL_LINES:]
        return ServerFailed("\n  ".join([f"{self._name} {what}; the end of {self._log}:", *lines]))


async def stop_orphans(name: str, home: Path, gentle: signal.Signals, timeout_seconds: float = 10.0) -> None:
    """Stop every process called `name` that works in `home`: its launcher died without stopping it.

    They are known by name and working directory, which no recycled pid can fake.
    """
    orphans = _working_in(name, home)
    pids = {orphan.pid for orphan in orphans}
    for orphan in orphans:
        # A server's own children (PostgreSQL's backends) leave with it, unless it is gone already.
        with contextlib.suppress(psutil.NoSuchProcess):
            if orphan.ppid() not in pids:
                orphan.send_signal(gentle)
    for orphan in await _still_alive(orphans, timeout_seconds):
        with contextlib.suppress(psutil.NoSuchProcess):
            orphan.kill()
    await _still_alive(orphans, timeout_seconds)


async def _still_alive(processes: list[psutil.Process], timeout_seconds: float) -> list[psutil.Process]:
    """Wait for processes that are not our children; returns those that outlast the time."""
    deadline = time.monotonic() + timeout_seconds
    while (alive := list(filter(_is_alive, processes))) and time.monotonic() < deadline:  # noqa: ASYNC110 - not our children: nothing tells us
        await asyncio.sleep(_POLL_SECONDS)
    return alive


def _is_alive(process: psutil.Process) -> bool:
    try:
        # A zombie is dead; in a container it may never be reaped.
        return bool(process.is_running() and process.status() != psutil.STATUS_ZOMBIE)
    except psutil.NoSuchProcess:
        return False


def _working_in(name: str, folder: Path) -> list[psutil.Process]:
    found = []
    folder = folder.resolve()
    for process in psutil.process_iter():
        with contextlib.suppress(psutil.NoSuchProcess, psutil.AccessDenied):
            if process.name() == name and Path(process.cwd()) == folder:
                found.append(process)
    return found


def _identity(account: Account) -> Mapping[str, Any]:
    if os.geteuid() != 0 or account.uid == 0:
        return {}
    return {"user": account.uid, "group": account.gid, "extra_groups": []}
