"""Background loops: ask again about what is UNKNOWN, and work on what the provider told."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Final

from opentelemetry.trace import Tracer

from servicekit.clock import Clock
from servicekit.errors import Refusal, StoreUnavailable
from servicekit.instruments import Instruments
from servicekit.logs import logger
from servicekit.outbox import Job, Outbox, OutboxWorker, Pace
from services.payments.model import News
from services.payments.usecases import Listening, Reconciling

LOOK_SECONDS: Final = 0.5
"""How often the store is asked what is due."""
AT_ONCE: Final = 32
"""Askings of one process at a time: a thousand are through in a minute, at two seconds each."""
HOUSEKEEPING_SECONDS: Final = 3600.0
NEWS_PACE: Final = Pace(concurrency=8)

log = logger(__name__)


class Reconciler:
    """Leases what is due and has it asked about."""

    def __init__(self, reconciling: Reconciling, clock: Clock) -> None:
        self._reconciling = reconciling
        self._clock = clock
        self._is_blind = False

    async def run(self, stop: asyncio.Event) -> None:
        """Work until `stop` is set; what is being asked then is left to the next to ask."""
        async with asyncio.TaskGroup() as group:
            working = group.create_task(self._work_on())
            await stop.wait()
            working.cancel()

    async def _work_on(self) -> None:
        while True:
            if await self._pass() < AT_ONCE:
                await self._clock.sleep(LOOK_SECONDS)

    async def _pass(self) -> int:
        """Ask about some of what is due; how much that was."""
        try:
            due = await self._reconciling.due(AT_ONCE)
        except StoreUnavailable as fault:
            self._see(blind=True, why=fault.message)
            return 0
        self._see(blind=False)
        async with asyncio.TaskGroup() as group:
            for each in due:
                group.create_task(self._guarded(self._reconciling.resolve(each)))
        return len(due)

    async def _guarded(self, asking: Awaitable[None]) -> None:
        """What cannot be asked now is due again when its lease ends."""
        try:
            await asking
        except Refusal as refusal:
            log.warning("reconciliation_put_off", reason=refusal.reason)

    def _see(self, *, blind: bool, why: str = "") -> None:
        """Log when the store goes away and when it is back, not while it stays so."""
        if blind and not self._is_blind:
            log.warning("reconciliation_blind", reason=why)
        if self._is_blind and not blind:
            log.info("reconciliation_sees_again")
        self._is_blind = blind


class NewsWorker:
    """Lets payments follow what the provider told."""

    def __init__(
        self,
        outbox: Outbox,
        listening: Listening,
        news_of: Callable[[Job], News],
        instruments: Instruments | None = None,
        tracer: Tracer | None = None,
    ) -> None:
        self._listening = listening
        self._news_of = news_of
        self._worker = OutboxWorker(
            outbox, self._believe, pace=NEWS_PACE, instruments=instruments, tracer=tracer
        )

    async def run(self, stop: asyncio.Event) -> None:
        """Work until `stop` is set."""
        await self._worker.run(stop)

    async def _believe(self, job: Job) -> None:
        await self._listening.believe(self._news_of(job))


class Housekeeping:
    """Forgets news that cannot come again."""

    def __init__(self, listening: Listening, clock: Clock) -> None:
        self._listening = listening
        self._clock = clock

    async def run(self, stop: asyncio.Event) -> None:
        """Tidy up now and then until `stop` is set."""
        async with asyncio.TaskGroup() as group:
            tidying = group.create_task(self._tidy_up())
            await stop.wait()
            tidying.cancel()

    async def _tidy_up(self) -> None:
        while True:
            try:
                forgotten = await self._listening.forget()
            except StoreUnavailable:
                log.warning("housekeeping_put_off")
            else:
                log.info("news_forgotten", count=forgotten)
            await self._clock.sleep(HOUSEKEEPING_SECONDS)
