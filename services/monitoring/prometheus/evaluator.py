"""Evaluations in threads: a few at a time, each with an end."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Protocol, TypeVar

from servicekit.clock import Clock
from services.monitoring.promql import BadPattern, Cancellation, Cancelled, QueryError

CONCURRENCY = 4
"""As many share the interpreter at a time; numpy lets go of it for the larger part."""
MOST_WAITING = 100

T = TypeVar("T")


class TooBusy(QueryError):
    """So many wait for a turn that another would wait in vain."""


class QuerySignals(Protocol):
    """Where it is recorded how queries fare."""

    def query_ended(self, outcome: str, seconds: float) -> None:
        """A query was `answered`, `refused`, `timed_out`, or it `failed` by a fault of ours."""
        ...


class Evaluator:
    """Runs evaluations off the loop.

    Args:
        clock: The time.
        signals: Who hears how they fare.
        timeout_seconds: The most that one may take, waiting for its turn included.
    """

    def __init__(self, clock: Clock, signals: QuerySignals, *, timeout_seconds: float) -> None:
        self.timeout_seconds = timeout_seconds
        self._clock = clock
        self._signals = signals
        self._threads = ThreadPoolExecutor(CONCURRENCY, thread_name_prefix="query")
        self._turns = asyncio.Semaphore(CONCURRENCY)
        self._waiting = 0

    async def run(self, work: Callable[[Cancellation], T], timeout_seconds: float | None = None) -> T:
        """Do some work that checks its `Cancellation` often. If the caller is cancelled, so is the work.

        Raises:
            Cancelled: The time was up.
            TooBusy: Too many wait.
            QueryError: What the work raises.
        """
        began = self._clock.monotonic()
        outcome = "failed"
        try:
            answer = await self._in_turn(
                work, min(timeout_seconds or self.timeout_seconds, self.timeout_seconds)
            )
            outcome = "answered"
        except Cancelled:
            outcome = "timed_out"
            raise
        except (QueryError, BadPattern):
            outcome = "refused"
            raise
        finally:
            self._signals.query_ended(outcome, self._clock.monotonic() - began)
        return answer

    def close(self) -> None:
        """Take no more work; what runs ends at its own next check."""
        self._threads.shutdown(wait=False, cancel_futures=True)

    async def _in_turn(self, work: Callable[[Cancellation], T], seconds: float) -> T:
        if self._waiting >= MOST_WAITING:
            raise TooBusy(f"{MOST_WAITING} queries wait for a turn already")
        cancellation = Cancellation(seconds)
        self._waiting += 1
        try:
            async with asyncio.timeout(seconds):
                await self._turns.acquire()
        except TimeoutError:
            raise Cancelled("query timed out in query queue") from None
        finally:
            self._waiting -= 1
        running = asyncio.get_running_loop().run_in_executor(self._threads, work, cancellation)
        # The thread is busy until the work has ended, however its caller ends: so is the turn.
        running.add_done_callback(lambda _: self._turns.release())
        try:
            return await asyncio.shield(running)
        except asyncio.CancelledError:
            cancellation.cancel()
            running.add_done_callback(_heard)
            raise


def _heard(running: asyncio.Future[T]) -> None:
    """Take note of an error that nobody waits for any more: it is that of a cancelled query."""
    if not running.cancelled():
        running.exception()
