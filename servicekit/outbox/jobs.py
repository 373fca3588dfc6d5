"""Jobs and what may be done with them."""

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Protocol

from servicekit import context
from servicekit.clock import Clock, MakeId
from servicekit.outbox import table
from servicekit.postgres import Database, Query, Record, Transaction
from servicekit.tracing import current_traceparent


class LeaseLost(Exception):
    """The job is no longer ours: its lease ended and another worker took it, or it is done."""


class JobGone(LeaseLost):
    """The job is done: its row is no more."""


class Leased(Protocol):
    """A lease on a job, as `finish` needs it; a `Job` is one, and so may be a service's own class."""

    @property
    def id(self) -> str:
        """The job's id."""
        ...

    @property
    def token(self) -> int:
        """The fencing token of this lease."""
        ...


@dataclass(frozen=True)
class Job:
    """One job, leased to us.

    Attributes:
        id: Names the job.
        kind: What is to be done.
        key: What it is done to, in the service's words: an order's id.
        payload: Whatever else is needed.
        attempts: Which attempt this is, from 1. Released ones are not counted.
        token: The fencing token: greater than that of every lease before.
        request_id: The request that added the job.
        traceparent: Its trace; may be empty.
        subject: The user it was made for; may be empty.
        synthetic: Whether it was test traffic.
    """

    id: str
    kind: str
    key: str
    payload: dict[str, Any]
    attempts: int
    token: int
    request_id: str
    traceparent: str
    subject: str
    synthetic: bool


@dataclass(frozen=True)
class DeadJob:
    """A buried job.

    Attributes:
        failure: The last failure, without secrets.
        dead_at: When it was buried.
    """

    id: str
    kind: str
    key: str
    failure: str
    dead_at: datetime


@dataclass(frozen=True)
class Depth:
    """How much there is to do.

    Attributes:
        waiting: Jobs that nobody works on, due or not.
        leased: Jobs at work.
        dead: Buried jobs.
        lag_seconds: How long the oldest due job has waited.
    """

    waiting: int
    leased: int
    dead: int
    lag_seconds: float


class Outbox:
    """The jobs of one service.

    Leases are measured with `clock`: replicas whose clocks differ take over from each
    other sooner or later than they should, and the fencing token keeps that harmless.
    """

    def __init__(
        self, database: Database, clock: Clock, make_id: MakeId, *, lease_seconds: float = 10
    ) -> None:
        self._database = database
        self._make_id = make_id
        self._woken = asyncio.Event()
        self.clock = clock
        self.lease_seconds = lease_seconds

    async def add(
        self, tx: Transaction, kind: str, key: str, payload: Mapping[str, Any], *, delay_seconds: float = 0.0
    ) -> str:
        """Add a job in the caller's transaction, to be done for the current request; returns its id.

        Call `wake()` once the transaction is committed: until then no worker can see the job.
        """
        now = self.clock.now()
        request = context.current()
        job_id = self._make_id()
        await tx.execute(
            table.ADD,
            job_id,
            kind,
            key,
            dict(payload),
            now + timedelta(seconds=delay_seconds),
            request.request_id,
            current_traceparent(),
            request.caller.subject,
            request.synthetic,
            now,
        )
        return job_id

    async def lease(self, limit: int) -> list[Job]:
        """Lease up to `limit` due jobs that nobody else holds, taking the longest due first."""
        self._woken.clear()  # before looking: whatever is added from now on wakes us again
        rows = await self._database.fetch(table.LEASE, self.clock.now(), limit, self._lease_end())
        return sorted((_job(row) for row in rows), key=lambda job: job.id)

    async def extend(self, job: Leased) -> None:
        """Hold the job for another `lease_seconds` from now, or raise LeaseLost."""
        await self._change(table.EXTEND, job, self._lease_end())

    async def finish(self, tx: Transaction, job: Leased) -> None:
        """Delete the job in the transaction that keeps its result.

        Raises LeaseLost, which must end the transaction: another worker's result counts.
        """
        if await tx.execute(table.FINISH, job.id, job.token) == 0:
            raise LeaseLost(f"job {job.id} is no longer leased with token {job.token}")

    async def finish_alone(self, job: Leased) -> None:
        """Delete the job, where no transaction keeps a result, or raise LeaseLost."""
        await self._change(table.FINISH, job)

    async def retry(self, job: Leased, delay_seconds: float, failure: str = "") -> None:
        """Give the job back, to be leased again after `delay_seconds`, or raise LeaseLost."""
        await self._change(table.RETRY, job, self._after(delay_seconds), failure)

    async def release(self, job: Leased) -> None:
        """Give the job back at once, as if it had not been leased, or raise LeaseLost."""
        await self._change(table.RELEASE, job, self.clock.now())

    async def bury(self, job: Leased, failure: str) -> None:
        """Keep the job as dead, for a person to look at, or raise LeaseLost."""
        await self._change(table.BURY, job, self.clock.now(), failure)

    async def dead(self, after: str | None, limit: int) -> list[DeadJob]:
        """Up to `limit` buried jobs by id, from the first above `after`."""
        rows = await self._database.fetch(table.DEAD, after, limit)
        return [DeadJob(**row) for row in rows]

    async def replay(self, tx: Transaction, job_id: str) -> bool:
        """Have a buried job attempted anew, with all its attempts before it; false if there is none.

        Call `wake()` once the transaction is committed.
        """
        return await tx.execute(table.REPLAY, job_id, self.clock.now()) == 1

    async def depth(self) -> Depth:
        """How much there is to do now."""
        row = await self._database.fetch_one(table.DEPTH, self.clock.now())
        return Depth(**(row or {}))

    def wake(self) -> None:
        """Tell this process's workers that there may be a job."""
        self._woken.set()

    async def wait(self, timeout_seconds: float) -> None:
        """Return when `wake()` was called since the last `lease()`, or at the latest after the time-out."""
        sleeping = asyncio.ensure_future(self.clock.sleep(timeout_seconds))
        waking = asyncio.ensure_future(self._woken.wait())
        try:
            await asyncio.wait({sleeping, waking}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            sleeping.cancel()
            waking.cancel()
            await asyncio.gather(sleeping, waking, return_exceptions=True)

    async def _change(self, query: Query, job: Leased, *args: object) -> None:
        if await self._database.execute(query, job.id, job.token, *args) == 1:
            return
        if await self._database.fetch_one(table.EXISTS, job.id) is None:
            raise JobGone(f"job {job.id} is done")
        raise LeaseLost(f"job {job.id} is no longer leased with token {job.token}")

    def _lease_end(self) -> datetime:
        return self._after(self.lease_seconds)

    def _after(self, seconds: float) -> datetime:
        return self.clock.now() + timedelta(seconds=seconds)


def _job(row: Record) -> Job:
    return Job(**row)
