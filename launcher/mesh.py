"""Brings one mesh up, keeps it up, and takes it down.

The order of coming up: stores, databases, and beside the migrations whatever needs
no database; then the services, all at once; then the shop is filled, the first
time. The order of going down is the plan's. A signal at any moment starts the way
down; a second one hurries it.
"""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import Sequence
from typing import Protocol

from typing_extensions import override

from launcher.children import Command, run_job
from launcher.credentials import Credentials, kept_secrets
from launcher.errors import CommandFailed
from launcher.identity import identify
from launcher.keeping import Backoff, Supervisor
from launcher.plan import ProcessSpec, Stage, Surroundings, migration, plan, seeding
from launcher.records import SUPERVISOR, Probe, ProbeKind, ProcessRecord, Roster
from launcher.settings import Settings
from launcher.stores import Stores
from servicekit.clock import Clock
from servicekit.logs import logger

log = logger(__name__)

_STOPPING_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


class Screen(Protocol):
    """Where a person watches."""

    def changed(self, record: ProcessRecord) -> None:
        """Hear of a transition."""
        ...

    async def run(self, roster: Roster) -> None:
        """Show how things are, until cancelled or until all is said."""
        ...


class NoScreen(Screen):
    """For a supervisor in the background: the log says it all."""

    @override
    def changed(self, record: ProcessRecord) -> None:
        """Show nothing."""

    @override
    async def run(self, roster: Roster) -> None:
        """Show nothing."""


class Mesh:
    """All processes of one state directory, which the caller holds."""

    def __init__(self, settings: Settings, screen: Screen, clock: Clock) -> None:
        self._settings = settings
        self._files = settings.files
        self._screen = screen
        self._clock = clock
        self._credentials = Credentials.kept(self._files.credentials)
        self._stores = Stores(settings)
        self._roster = Roster(self._files.processes, screen.changed, clock)
        self._stop = asyncio.Event()
        self._failure: CommandFailed | None = None

    async def run(self) -> None:
        """Run until a signal says stop, then drain; fails if the mesh cannot come up."""
        self._enter_all()
        async with asyncio.TaskGroup() as tasks:
            supervisor = Supervisor(tasks, self._roster, self._clock, Backoff())
            self._listen_for_signals(supervisor)
            shown = tasks.create_task(self._screen.run(self._roster))
            work = tasks.create_task(self._bring_up_or_stop(supervisor))
            await self._stop.wait()
            work.cancel()
            await asyncio.wait([work])
            await supervisor.drain()
            shown.cancel()
        self._roster.forget()
        log.info("mesh_stopped")
        if self._failure is not None:
            raise self._failure

    def _enter_all(self) -> None:
        names = [*self._stores.servers(), *self._settings.ports]
        listed = [ProcessRecord(name, ports=self._settings.ports.get(name, {})) for name in names]
        self._roster.enter([ProcessRecord(SUPERVISOR), *listed])
        seeded = Probe(ProbeKind.FILE, str(self._files.seeded))
        self._roster.running(SUPERVISOR, identify(os.getpid()), seeded)

    def _listen_for_signals(self, supervisor: Supervisor) -> None:
        def hear() -> None:
            if self._stop.is_set():
                supervisor.hurry()
            self._stop.set()

        for number in _STOPPING_SIGNALS:
            asyncio.get_running_loop().add_signal_handler(number, hear)

    async def _bring_up_or_stop(self, supervisor: Supervisor) -> None:
        try:
            await self._bring_up(supervisor)
        except CommandFailed as failure:
            log.error("mesh_failed", reason=str(failure))  # noqa: TRY400 - a known refusal needs no stack
            self._failure = failure
            self._stop.set()

    async def _bring_up(self, supervisor: Supervisor) -> None:
        for name, server in self._stores.servers().items():
            await supervisor.start(name, Stage.STORES, server)
        around = await self._surroundings()
        specs = plan(around)
        await self._start(supervisor, [spec for spec in specs if spec.stage is not Stage.SERVICES])
        await run_job(migration(around), self._files)
        await self._start(supervisor, [spec for spec in specs if spec.stage is Stage.SERVICES])
        if not self._files.seeded.exists():
            await run_job(seeding(around), self._files)

    async def _start(self, supervisor: Supervisor, specs: Sequence[ProcessSpec]) -> None:
        for spec in specs:
            await supervisor.start(spec.name, spec.stage, Command(spec, self._files))

    async def _surroundings(self) -> Surroundings:
        return Surroundings(
            ports=self._settings.ports,
            secrets=kept_secrets(self._files.secrets),
            admin=self._credentials.people["admin"],
            database_urls=await self._stores.database_urls(),
            redis_url=self._stores.redis_url,
            home=self._files.home,
            inherited=self._settings.environ,
        )
