"""One job, seen through: its scope, its heartbeat, its end.

A job is done when its handler returns, whether the handler finished it in a
transaction of its own or left that to us. A handler whose lease is lost is
cancelled; it could not finish the job anyway.
"""

import asyncio
import random
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass

from opentelemetry import trace
from opentelemetry.trace import SpanKind, StatusCode, Tracer

from servicekit import context
from servicekit.context import Caller, RequestContext
from servicekit.errors import StoreUnavailable
from servicekit.logs import logger
from servicekit.outbox.jobs import Job, JobGone, LeaseLost, Outbox
from servicekit.outbox.signals import Outcome, Signals
from servicekit.redaction import scrubbed
from servicekit.tracing import context_from_traceparent

log = logger(__name__)

Handle = Callable[[Job], Awaitable[None]]

_BEATS_PER_LEASE = 3
_LONGEST_FAILURE = 500


class AttemptsExhausted(Exception):
    """The last attempts ended without a word: the process died under them."""


@dataclass(frozen=True)
class Retries:
    """When a failed job is tried again: exponential backoff with full jitter.

    After Brooker, "Exponential Backoff And Jitter", AWS Architecture Blog, 2015. The
    defaults try for some 20 minutes, within a factor of two.

    Attributes:
        max_attempts: Attempts after which a job is buried.
        outages: Failures that say only that somebody is away, for which alone it is worth going on
            for hours.
        max_attempts_at_fault: Attempts after which any other failure buries a job: a fault of ours is
            not mended by patience, and a person should see it soon. None makes no difference.
    """

    max_attempts: int = 30
    outages: tuple[type[Exception], ...] = ()
    max_attempts_at_fault: int | None = None
    first_seconds: float = 0.1
    longest_seconds: float = 120.0
    uniform: Callable[[], float] = random.random

    def delay_seconds(self, attempts: int) -> float:
        """How long to wait after this many attempts have failed."""
        doubled = self.first_seconds * 2.0 ** min(attempts, 60)
        return self.uniform() * min(self.longest_seconds, doubled)

    def are_over(self, attempts: int, failure: Exception) -> bool:
        """Whether a job that failed like this at this attempt is given up."""
        most = self.max_attempts
        if self.max_attempts_at_fault is not None and not isinstance(failure, self.outages):
            most = min(most, self.max_attempts_at_fault)
        return attempts >= most


class Handling:
    """Does jobs that are leased."""

    def __init__(
        self, outbox: Outbox, handle: Handle, retries: Retries, signals: Signals, tracer: Tracer
    ) -> None:
        self._outbox = outbox
        self._handle = handle
        self._retries = retries
        self._signals = signals
        self._tracer = tracer

    async def see_through(self, job: Job) -> None:
        """Attempt the job once and keep what became of it; release it when cancelled."""
        async with self._scope(job):
            try:
                failure = await self._attempt(job)
                await self._conclude(job, failure)
            except asyncio.CancelledError:
                if await self._kept(job, self._outbox.release(job)):
                    log.info("job_released", job_id=job.id, kind=job.kind, key=job.key)
                raise

    @asynccontextmanager
    async def _scope(self, job: Job) -> AsyncIterator[None]:
        """The request and the trace that added the job."""
        with self._tracer.start_as_current_span(
            f"outbox {job.kind}",
            context=context_from_traceparent(job.traceparent),
            kind=SpanKind.CONSUMER,
            attributes={"messaging.operation.name": job.kind, "messaging.message.id": job.id},
        ) as span:
            request = RequestContext(
                request_id=job.request_id,
                caller=Caller(job.subject),
                synthetic=job.synthetic,
                # As the chain does: the request itself carries only a trace that gets no spans here.
                traceparent="" if span.is_recording() else job.traceparent,
            )
            with context.scope(request):
                yield

    async def _attempt(self, job: Job) -> Exception | None:
        """Handle the job under a beating lease; returns what went wrong, if anything."""
        if job.attempts > self._retries.max_attempts:
            return AttemptsExhausted(f"{self._retries.max_attempts} attempts began and none ended")
        failure: Exception | None = None
        try:
            async with asyncio.TaskGroup() as group:
                beating = group.create_task(self._beat(job))
                try:
                    await self._handle(job)
                except Exception as error:  # noqa: BLE001 - whatever it is, it is concluded by the caller
                    failure = error
                finally:
                    beating.cancel()
        except* LeaseLost:
            failure = LeaseLost(f"job {job.id} was taken over while it was handled")
        return failure

    async def _beat(self, job: Job) -> None:
        """Extend the lease until the job is gone; LeaseLost when the lease was taken or ran out."""
        clock = self._outbox.clock
        held_until = clock.monotonic() + self._outbox.lease_seconds
        while True:
            await clock.sleep(self._outbox.lease_seconds / _BEATS_PER_LEASE)
            begun = clock.monotonic()
            try:
                await self._outbox.extend(job)
            except JobGone:
                return  # finished by its handler, which has more to do
            except StoreUnavailable as error:
                if clock.monotonic() >= held_until:
                    raise LeaseLost(f"the lease of job {job.id} ran out") from error
            else:
                held_until = begun + self._outbox.lease_seconds

    async def _conclude(self, job: Job, failure: Exception | None) -> None:
        if failure is None:
            await self._end(job, "finished", self._outbox.finish_alone(job))
            return
        span = trace.get_current_span()
        span.set_attribute("error.type", type(failure).__qualname__)
        span.set_status(StatusCode.ERROR)
        if isinstance(failure, LeaseLost):
            self._lose(job)
        elif self._retries.are_over(job.attempts, failure):
            log.error("job_buried", exc_info=failure, job_id=job.id, kind=job.kind, key=job.key)
            await self._end(job, "buried", self._outbox.bury(job, _told(failure)))
        else:
            await self._retry(job, failure)

    async def _retry(self, job: Job, failure: Exception) -> None:
        delay = self._retries.delay_seconds(job.attempts)
        log.warning(
            "job_failed",
            job_id=job.id,
            kind=job.kind,
            key=job.key,
            attempt=job.attempts,
            retry_in_seconds=round(delay, 3),
            failure=_told(failure),
        )
        await self._end(job, "retried", self._outbox.retry(job, delay, _told(failure)))

    async def _end(self, job: Job, outcome: Outcome, change: Awaitable[None]) -> None:
        if await self._kept(job, change):
            self._signals.attempt_ended(job.kind, outcome)

    async def _kept(self, job: Job, change: Awaitable[None]) -> bool:
        """Make a last change to the job; false when it could not be made."""
        try:
            await change
        except JobGone:
            return True  # the handler finished it
        except LeaseLost:
            self._lose(job)
            return False
        except StoreUnavailable as error:
            # It may have been kept; if not, the lease ends and the job is attempted again.
            log.warning("job_outcome_unknown", job_id=job.id, kind=job.kind, reason=error.message)
            return False
        return True

    def _lose(self, job: Job) -> None:
        log.warning("job_lease_lost", job_id=job.id, kind=job.kind, key=job.key)
        self._signals.attempt_ended(job.kind, "lease_lost")


def _told(failure: Exception) -> str:
    """What is kept of a failure: its kind and its message without secrets, in bounds."""
    return f"{type(failure).__qualname__}: {scrubbed(str(failure))}"[:_LONGEST_FAILURE]
