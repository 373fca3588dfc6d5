"""Keeps processes running, for as long as it is asked to, and stops them in order.

A process that ends is started again, for ever, after a wait that doubles from one
failure to the next and is forgotten once the process has run a while. Nothing is
started that was asked to stop. Whether a process is well is not judged here: it
runs or it does not.
"""

from __future__ import annotations

import asyncio
import os
import random
import signal
from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

from launcher.errors import CommandFailed
from launcher.identity import identify
from launcher.plan import Stage
from launcher.records import Probe, ProcessState, Roster
from servicekit.clock import Clock
from servicekit.logs import logger

log = logger(__name__)


class StartFailed(CommandFailed):
    """A process could not be started; the message says why."""


class Runnable(Protocol):
    """Something that can be started, and started again when it has ended."""

    @property
    def pid(self) -> int | None:
        """Its process id while it runs."""
        ...

    @property
    def probe(self) -> Probe:
        """How it is asked for its health; asked for once it has started."""
        ...

    async def start(self) -> None:
        """Start it, and return when others may use it; StartFailed if that cannot be."""
        ...

    async def wait(self) -> int:
        """Wait until it ends; its exit code, negative for a signal."""
        ...

    async def stop(self) -> None:
        """Ask it to end, wait its grace, then make it end."""
        ...


@dataclass(frozen=True)
class Backoff:
    """How long to wait before a process is started again."""

    first_seconds: float = 0.2
    most_seconds: float = 10.0
    forgotten_after_seconds: float = 30.0
    """A process that ran this long starts again as if it had never failed."""
    chance: Callable[[], float] = random.random
    """From 0 to 1. Half of each wait is left to it, so that what fell together does not rise together."""

    def delay_seconds(self, failures: int) -> float:
        """The wait after so many failures in a row."""
        longest = min(self.most_seconds, self.first_seconds * 2.0 ** min(failures - 1, 32))
        return longest * (0.5 + self.chance() / 2)


class Keeper:
    """Keeps one process running."""

    def __init__(self, name: str, runnable: Runnable, roster: Roster, clock: Clock, backoff: Backoff) -> None:
        self._name = name
        self._runnable = runnable
        self._roster = roster
        self._clock = clock
        self._backoff = backoff
        self._is_wanted = True
        self._started = 0.0
        self._failures = 0

    async def begin(self) -> None:
        """Start it for the first time; a start that fails or is cancelled leaves nothing behind."""
        try:
            await self._start()
        except BaseException:
            await self._runnable.stop()
            raise

    async def keep(self) -> None:
        """Start it again whenever it ends. Cancelling this stops it, within its grace."""
        try:
            while True:
                code = await self._runnable.wait()
                if not self._is_wanted:
                    return
                await self._start_again(f"exit code {code}" if code >= 0 else _signal_name(-code))
        finally:
            await self._stop()

    def kill(self) -> None:
        """End it now, without grace, and for good."""
        self._is_wanted = False
        if self._runnable.pid is not None:
            os.kill(self._runnable.pid, signal.SIGKILL)

    async def _start(self) -> None:
        await self._runnable.start()
        self._started = self._clock.monotonic()
        pid = self._runnable.pid
        self._roster.running(self._name, None if pid is None else identify(pid), self._runnable.probe)
        log.info("process_started", process=self._name, pid=pid)

    async def _start_again(self, reason: str) -> None:
        """Wait, and start; one attempt, so that a failed one is an end like any other."""
        if self._clock.monotonic() - self._started >= self._backoff.forgotten_after_seconds:
            self._failures = 0
        while self._is_wanted:
            self._failures += 1
            seconds = self._backoff.delay_seconds(self._failures)
            log.warning(
                "process_died", process=self._name, reason=reason, restart_in_seconds=round(seconds, 2)
            )
            self._roster.ended(self._name, ProcessState.RESTARTING)
            await self._clock.sleep(seconds)
            try:
                return await self._start()
            except StartFailed as failure:
                reason = str(failure)
        return None

    async def _stop(self) -> None:
        self._is_wanted = False
        self._roster.stopping(self._name)
        await self._runnable.stop()
        self._roster.ended(self._name, ProcessState.STOPPED)
        log.info("process_stopped", process=self._name)


class Supervisor:
    """Keeps every process of a mesh running in the tasks of one group."""

    def __init__(self, tasks: asyncio.TaskGroup, roster: Roster, clock: Clock, backoff: Backoff) -> None:
        self._tasks = tasks
        self._roster = roster
        self._clock = clock
        self._backoff = backoff
        self._kept: list[tuple[Stage, Keeper, asyncio.Task[None]]] = []

    async def start(self, name: str, stage: Stage, runnable: Runnable) -> None:
        """Start one process and keep it running from then on."""
        keeper = Keeper(name, runnable, self._roster, self._clock, self._backoff)
        await keeper.begin()
        self._kept.append((stage, keeper, self._tasks.create_task(keeper.keep())))

    async def drain(self) -> None:
        """Stop everything: one stage after the other, those of a stage together."""
        for stage in Stage:
            tasks = [task for its, _, task in self._kept if its is stage]
            for task in tasks:
                task.cancel()
            if tasks:
                await asyncio.wait(tasks)

    def hurry(self) -> None:
        """End all but the stores at once; those end fast by themselves, and lose nothing."""
        for stage, keeper, _ in self._kept:
            if stage is not Stage.STORES:
                keeper.kill()


def _signal_name(number: int) -> str:
    try:
        return signal.Signals(number).name
    except ValueError:
        return f"signal {number}"
