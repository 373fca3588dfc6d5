"""Keeping processes running: real small processes, short waits."""

from __future__ import annotations

import asyncio
import signal
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from typing_extensions import override

from launcher.children import Command
from launcher.files import StateFiles
from launcher.keeping import Backoff, Runnable, StartFailed, Supervisor
from launcher.plan import ProcessSpec, Stage
from launcher.records import Probe, ProbeKind, ProcessRecord, ProcessState, Roster
from servicekit.clock import SystemClock

QUICK = Backoff(first_seconds=0.02, most_seconds=0.04, chance=lambda: 0.0)
STEADY = "print('up', flush=True); import time; time.sleep(60)"
STUBBORN = f"import signal; signal.signal(signal.SIGTERM, signal.SIG_IGN); {STEADY}"
MORTAL = "import sys; sys.exit(3)"


class Watched:
    """A roster and every transition it saw."""

    def __init__(self, files: StateFiles) -> None:
        self.files = files
        self.seen: list[ProcessRecord] = []
        self.roster = Roster(files.processes, self.seen.append, SystemClock())

    def command(self, name: str, script: str, grace_seconds: float = 10) -> Command:
        self.roster.enter([ProcessRecord(name)])
        argv = (sys.executable, "-c", script)
        spec = ProcessSpec(name, argv, {}, {}, Probe(ProbeKind.FILE, "/"), Stage.SERVICES)
        return Command(spec, self.files, grace_seconds)

    def states(self, name: str) -> list[str]:
        return [record.state for record in self.seen if record.name == name]

    def record(self, name: str) -> ProcessRecord:
        return next(record for record in self.roster.records() if record.name == name)

    async def until(self, is_so: Callable[[], bool]) -> None:
        async with asyncio.timeout(10):
            while not is_so():
                await asyncio.sleep(0.01)

    async def until_up(self, *names: str) -> None:
        await self.until(lambda: all(self.files.log(name).read_text().endswith("up\n") for name in names))


@pytest.fixture
def watched(tmp_path: Path) -> Watched:
    files = StateFiles(tmp_path)
    files.create()
    return Watched(files)


@asynccontextmanager
async def supervising(watched: Watched, backoff: Backoff = QUICK) -> AsyncIterator[Supervisor]:
    async with asyncio.TaskGroup() as tasks:
        supervisor = Supervisor(tasks, watched.roster, SystemClock(), backoff)
        yield supervisor
        await supervisor.drain()


async def test_a_process_that_dies_is_started_again_and_again(watched: Watched) -> None:
    async with supervising(watched) as supervisor:
        await supervisor.start("mortal", Stage.SERVICES, watched.command("mortal", MORTAL))

        await watched.until(lambda: watched.record("mortal").restarts >= 3)

    assert watched.states("mortal")[:4] == ["running", "restarting", "running", "restarting"]
    assert watched.states("mortal")[-1] == "stopped"


async def test_a_process_that_is_killed_comes_back_as_another(watched: Watched) -> None:
    command = watched.command("steady", STEADY)
    async with supervising(watched) as supervisor:
        await supervisor.start("steady", Stage.SERVICES, command)
        first = watched.record("steady").identity
        assert first is not None

        first.signal(signal.SIGKILL)
        await watched.until(lambda: watched.record("steady").restarts == 1 and command.pid is not None)

        second = watched.record("steady").identity
        assert second is not None
        assert second.pid != first.pid


async def test_stages_stop_in_order(watched: Watched) -> None:
    async with supervising(watched) as supervisor:
        for name, stage in [("store", Stage.STORES), ("edge", Stage.EDGE), ("service", Stage.SERVICES)]:
            await supervisor.start(name, stage, watched.command(name, STEADY))

    stopped = [record.name for record in watched.seen if record.state is ProcessState.STOPPED]
    assert stopped == ["edge", "service", "store"]


async def test_a_process_that_ignores_the_request_is_killed_after_its_grace(watched: Watched) -> None:
    command = watched.command("stubborn", STUBBORN, grace_seconds=0.1)
    async with supervising(watched) as supervisor:
        await supervisor.start("stubborn", Stage.SERVICES, command)
        await watched.until_up("stubborn")

    assert await command.wait() == -signal.SIGKILL
    assert watched.states("stubborn") == ["running", "stopping", "stopped"]


async def test_hurrying_ends_the_stubborn_at_once(watched: Watched) -> None:
    command = watched.command("stubborn", STUBBORN, grace_seconds=60)
    async with supervising(watched) as supervisor:
        await supervisor.start("stubborn", Stage.SERVICES, command)
        await watched.until_up("stubborn")
        async with asyncio.timeout(10), asyncio.TaskGroup() as tasks:
            tasks.create_task(supervisor.drain())
            await watched.until(lambda: "stopping" in watched.states("stubborn"))

            supervisor.hurry()

    assert watched.states("stubborn") == ["running", "stopping", "stopped"]


async def test_nothing_is_started_again_once_all_is_hurried(watched: Watched) -> None:
    async with supervising(watched) as supervisor:
        await supervisor.start("steady", Stage.SERVICES, watched.command("steady", STEADY))

        supervisor.hurry()
        await watched.until(lambda: "stopped" in watched.states("steady"))

    assert "restarting" not in watched.states("steady")


async def test_a_process_in_its_wait_stops_without_being_started(watched: Watched) -> None:
    patient = Backoff(first_seconds=60)
    async with supervising(watched, patient) as supervisor:
        await supervisor.start("mortal", Stage.SERVICES, watched.command("mortal", MORTAL))
        await watched.until(lambda: "restarting" in watched.states("mortal"))

    assert watched.states("mortal") == ["running", "restarting", "stopping", "stopped"]


class Refusing(Runnable):
    """Starts once; then fails to start twice, then starts again."""

    def __init__(self) -> None:
        self.attempts = 0
        self._ended = asyncio.Event()

    @property
    @override
    def pid(self) -> int | None:
        return None

    @property
    @override
    def probe(self) -> Probe:
        return Probe(ProbeKind.FILE, "/")

    @override
    async def start(self) -> None:
        self.attempts += 1
        if self.attempts in {2, 3}:
            raise StartFailed("no disk")

    @override
    async def wait(self) -> int:
        if self.attempts > 1:
            await self._ended.wait()
        return 1

    @override
    async def stop(self) -> None:
        self._ended.set()


async def test_a_start_that_fails_is_tried_again(watched: Watched) -> None:
    refusing = Refusing()
    watched.roster.enter([ProcessRecord("refusing")])
    async with supervising(watched) as supervisor:
        await supervisor.start("refusing", Stage.STORES, refusing)

        await watched.until(lambda: refusing.attempts == 4)

    assert watched.record("refusing").restarts == 3


async def test_a_first_start_that_fails_is_the_callers_to_know(watched: Watched) -> None:
    refusing = Refusing()
    refusing.attempts = 1

    with pytest.raises(ExceptionGroup) as failed:
        async with supervising(watched) as supervisor:
            await supervisor.start("refusing", Stage.STORES, refusing)

    assert failed.group_contains(StartFailed, match="no disk")


def test_waits_double_up_to_the_most() -> None:
    backoff = Backoff(first_seconds=0.2, most_seconds=10, chance=lambda: 1.0)

    assert [backoff.delay_seconds(failures) for failures in (1, 2, 3, 6, 7, 5000)] == [
        0.2,
        0.4,
        0.8,
        6.4,
        10,
        10,
    ]


def test_chance_takes_up_to_half_of_a_wait() -> None:
    assert Backoff(first_seconds=0.2, chance=lambda: 0.0).delay_seconds(1) == 0.1


async def test_a_process_that_ran_a_while_starts_again_as_if_it_had_never_failed(watched: Watched) -> None:
    waits: list[int] = []

    class Counting(Backoff):
        @override
        def delay_seconds(self, failures: int) -> float:
            waits.append(failures)
            return 0.01

    async with supervising(watched, Counting(forgotten_after_seconds=0)) as supervisor:
        await supervisor.start("mortal", Stage.SERVICES, watched.command("mortal", MORTAL))
        await watched.until(lambda: len(waits) >= 3)

    assert waits[:3] == [1, 1, 1]
