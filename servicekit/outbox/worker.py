"""The loop of a worker: lease as much as there is room for, stop in good order."""

import asyncio
from dataclasses import dataclass

from opentelemetry.trace import NoOpTracer, Tracer

from servicekit.errors import StoreUnavailable
from servicekit.instruments import Instruments
from servicekit.logs import logger
from servicekit.outbox.handling import Handle, Handling, Retries
from servicekit.outbox.jobs import Job, Outbox
from servicekit.outbox.signals import NoSignals, OutboxSignals, Signals

log = logger(__name__)


@dataclass(frozen=True)
class Pace:
    """How hard a worker works.

    Attributes:
        concurrency: Most jobs at a time.
        poll_seconds: How often to look for jobs that another process added, or that came due.
        grace_seconds: How long running handlers may take once the worker is to stop.
        measure_seconds: How often the depth of the outbox is measured, if anybody counts.
    """

    concurrency: int = 8
    poll_seconds: float = 0.5
    grace_seconds: float = 5.0
    measure_seconds: float = 5.0


_USUAL_PACE = Pace()
_USUAL_RETRIES = Retries()


class OutboxWorker:
    """Does the jobs of an outbox with `handle`, which may be called for a job more than once."""

    def __init__(
        self,
        outbox: Outbox,
        handle: Handle,
        *,
        pace: Pace = _USUAL_PACE,
        retries: Retries = _USUAL_RETRIES,
        instruments: Instruments | None = None,
        tracer: Tracer | None = None,
    ) -> None:
        self._outbox = outbox
        self._pace = pace
        self._is_counted = instruments is not None
        self._signals: Signals = NoSignals() if instruments is None else OutboxSignals(instruments)
        self._handling = Handling(outbox, handle, retries, self._signals, tracer or NoOpTracer())
        self._running: set[asyncio.Task[None]] = set()
        self._room = asyncio.Event()
        self._is_blind = False

    async def run(self, stop: asyncio.Event) -> None:
        """Work until `stop` is set; then let what runs end within the grace, and release the rest."""
        async with asyncio.TaskGroup() as group:
            aside = [group.create_task(self._wake_at(stop))]
            if self._is_counted:
                aside.append(group.create_task(self._measure()))
            await self._work_until(stop, group)
            if self._running:
                await asyncio.wait(self._running, timeout=self._pace.grace_seconds)
            for task in [*self._running, *aside]:
                task.cancel()

    async def _work_until(self, stop: asyncio.Event, group: asyncio.TaskGroup) -> None:
        while not stop.is_set():
            room = self._pace.concurrency - len(self._running)
            if room == 0:
                self._room.clear()
                await self._room.wait()
                continue
            jobs = await self._lease(room)
            for job in jobs:
                task = group.create_task(self._handling.see_through(job), name=f"job {job.id}")
                self._running.add(task)
                task.add_done_callback(self._make_room)
            if len(jobs) < room:
                await self._outbox.wait(self._pace.poll_seconds)

    async def _wake_at(self, stop: asyncio.Event) -> None:
        await stop.wait()
        self._room.set()
        self._outbox.wake()

    def _make_room(self, task: asyncio.Task[None]) -> None:
        self._running.discard(task)
        self._room.set()

    async def _lease(self, limit: int) -> list[Job]:
        try:
            jobs = await self._outbox.lease(limit)
        except StoreUnavailable as error:
            self._see(blind=True, reason=error.message)
            return []
        self._see(blind=False)
        return jobs

    def _see(self, *, blind: bool, reason: str = "") -> None:
        """Log when the store goes away and when it is back, not while it stays so."""
        if blind and not self._is_blind:
            log.warning("outbox_unreachable", reason=reason)
        if self._is_blind and not blind:
            log.info("outbox_reachable_again")
        self._is_blind = blind

    async def _measure(self) -> None:
        while True:
            try:
                self._signals.measured(await self._outbox.depth())
            except StoreUnavailable as error:
                self._see(blind=True, reason=error.message)
            await self._outbox.clock.sleep(self._pace.measure_seconds)
