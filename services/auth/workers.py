"""Background work: prepare once, then sweep every hour."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

from servicekit.context import RequestContext, scope
from servicekit.errors import StoreUnavailable
from servicekit.logs import logger
from services.auth.usecases.preparation import Preparation, Retention

RETRY_SECONDS = 0.5
SWEEP_SECONDS = 3600.0

log = logger(__name__)


class Chores:
    """Runs from start to drain. While the database is away it tries again, and says so once."""

    def __init__(
        self,
        preparation: Preparation,
        retention: Retention,
        *,
        retry_seconds: float = RETRY_SECONDS,
        sweep_seconds: float = SWEEP_SECONDS,
    ) -> None:
        self._preparation = preparation
        self._retention = retention
        self._retry_seconds = retry_seconds
        self._sweep_seconds = sweep_seconds
        self._failing = ""

    async def run(self, stop: asyncio.Event) -> None:
        """Work until `stop` is set."""
        while self._preparation.pending and not stop.is_set():
            with scope(RequestContext()):
                await self._attempt("preparation", self._preparation.run)
            await _wait(stop, self._retry_seconds if self._preparation.pending else 0)
        while not stop.is_set():
            with scope(RequestContext()):
                await self._attempt("sweep", self._sweep)
            await _wait(stop, self._sweep_seconds)

    async def _attempt(self, chore: str, work: Callable[[], Awaitable[None]]) -> None:
        try:
            await work()
        except StoreUnavailable as error:
            self._failed(chore, error.message)
        except Exception as error:  # noqa: BLE001 - tables that are not migrated yet must not end the process
            self._failed(chore, type(error).__name__)
        else:
            self._succeeded(chore)

    async def _sweep(self) -> None:
        dropped = await self._retention.sweep()
        if dropped:
            log.info("expired_rows_dropped", rows=dropped)

    def _failed(self, chore: str, why: str) -> None:
        if self._failing != why:
            self._failing = why
            log.warning("chore_failed", chore=chore, why=why)

    def _succeeded(self, chore: str) -> None:
        if self._failing:
            self._failing = ""
            log.info("chore_recovered", chore=chore)


async def _wait(stop: asyncio.Event, seconds: float) -> None:
    """Return when `stop` is set, or after `seconds`."""
    try:
        async with asyncio.timeout(seconds):
            await stop.wait()
    except TimeoutError:
        return
