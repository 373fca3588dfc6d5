"""The processes that a supervisor can run: a command, a database server, a job that ends.

Each is tied to the supervisor's life where the system allows it, hears no Ctrl-C of
its own, and writes to its own log.
"""

from __future__ import annotations

import signal
from collections.abc import Callable
from pathlib import Path

from launcher.accounts import NoAccount, current_account
from launcher.embedded_postgres import EmbeddedPostgres
from launcher.embedded_valkey import EmbeddedValkey
from launcher.errors import CommandFailed
from launcher.files import StateFiles
from launcher.keeping import StartFailed
from launcher.plan import Job, ProcessSpec
from launcher.records import Probe
from launcher.server_process import HomeInUse, ServerFailed, ServerProcess
from launcher.tether import tethered
from launcher.wheels import ServerMissing
from servicekit.logs import logger

log = logger(__name__)

GRACE_SECONDS = 25.0
"""How long a process may take to drain. Every service is done in less."""

LOG_BYTES = 10 * 1024 * 1024
"""From this size a log is put aside when its process starts; one older log is kept."""


class Command:
    """One process of the plan."""

    def __init__(self, spec: ProcessSpec, files: StateFiles, grace_seconds: float = GRACE_SECONDS) -> None:
        self._spec = spec
        self._files = files
        self._grace_seconds = grace_seconds
        self._process = ServerProcess(spec.name, files.log(spec.name), spec.environ)

    @property
    def pid(self) -> int | None:
        """Its process id while it runs."""
        return self._process.pid

    @property
    def probe(self) -> Probe:
        """How it is asked for its health."""
        return self._spec.probe

    async def start(self) -> None:
        """Start it; it may not be ready yet."""
        put_aside(self._files.log(self._spec.name))
        try:
            await self._process.spawn(tethered(self._spec.argv), current_account(), self._files.home)
        except OSError as error:
            raise StartFailed(f"{self._spec.name} cannot be started: {error}") from error

    async def wait(self) -> int:
        """Wait until it ends."""
        return await self._process.wait()

    async def stop(self) -> None:
        """SIGTERM, its grace, SIGKILL with a warning."""
        if self.pid is None:
            return
        await self._process.stop((signal.SIGTERM, self._grace_seconds))
        if await self._process.wait() == -signal.SIGKILL:
            log.warning("process_killed", process=self._spec.name, after_seconds=self._grace_seconds)


class Store:
    """An embedded database server."""

    def __init__(self, server: EmbeddedPostgres | EmbeddedValkey, probe: Callable[[], Probe]) -> None:
        self._server = server
        self._probe = probe

    @property
    def probe(self) -> Probe:
        """How it is asked for its health: where it listens is known once it has started."""
        return self._probe()

    @property
    def pid(self) -> int | None:
        """The server's process id while it runs."""
        return self._server.pid

    async def start(self) -> None:
        """Start it and wait until it answers."""
        try:
            await self._server.start()
        except (ServerFailed, HomeInUse, ServerMissing, NoAccount, OSError) as error:
            raise StartFailed(str(error)) from error

    async def wait(self) -> int:
        """Wait until it ends."""
        return await self._server.wait()

    async def stop(self) -> None:
        """Stop it cleanly."""
        await self._server.stop()


async def run_job(job: Job, files: StateFiles) -> None:
    """Run a job to its end; fails with the last that it said. Cancelling it ends it."""
    put_aside(files.log(job.name))
    process = ServerProcess(job.name, files.log(job.name), job.environ)
    try:
        await process.run(tethered(job.argv), current_account(), files.home)
    except ServerFailed as failure:
        raise CommandFailed(str(failure)) from failure
    finally:
        await process.stop((signal.SIGTERM, GRACE_SECONDS))
    log.info("job_done", job=job.name)


def put_aside(path: Path, most_bytes: int = LOG_BYTES) -> None:
    """Make room for a log that has grown too large, in place of the one put aside before."""
    if path.exists() and path.stat().st_size >= most_bytes:
        path.replace(path.with_suffix(".log.1"))
