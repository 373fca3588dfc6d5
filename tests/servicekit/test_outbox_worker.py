"""The worker: each job seen through, whatever its handler, its lease or its store does."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import timedelta

import pytest
from opentelemetry import trace
from opentelemetry.sdk.trace import TracerProvider
from typing_extensions import override

from servicekit import context
from servicekit.clock import ManualClock, uuid7
from servicekit.context import Caller, RequestContext
from servicekit.errors import StoreUnavailable
from servicekit.instruments import Instruments
from servicekit.outbox import TABLE, Job, Leased, Outbox, OutboxWorker, Pace, Retries
from servicekit.outbox.jobs import Depth
from servicekit.postgres import Database, Query

LEASE_SECONDS = 9.0
SAMPLED = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
UNSAMPLED = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-00"
EAGER = Retries(max_attempts=3, first_seconds=1, longest_seconds=60, uniform=lambda: 1.0)


@dataclass
class Handler:
    """Counts what it is given; holds each job until it is let go; fails as it is told."""

    failures: int = 0
    holds: bool = False
    given: list[Job] = field(default_factory=list)
    requests: list[RequestContext] = field(default_factory=list)
    traces: list[str] = field(default_factory=list)
    started: asyncio.Event = field(default_factory=asyncio.Event)
    let_go: asyncio.Event = field(default_factory=asyncio.Event)
    cancelled: asyncio.Event = field(default_factory=asyncio.Event)

    async def __call__(self, job: Job) -> None:
        self.given.append(job)
        self.requests.append(context.current())
        self.traces.append(f"{trace.get_current_span().get_span_context().trace_id:032x}")
        self.started.set()
        try:
            if self.holds:
                await self.let_go.wait()
        except asyncio.CancelledError:
            self.cancelled.set()
            raise
        if len(self.given) <= self.failures:
            raise ConnectionError("the provider is away; card 4242424242424242")


@pytest.fixture
async def database(open_database: Callable[..., Database]) -> Database:
    database = open_database()
    for statement in TABLE:
        await database.execute(Query("make", statement))
    return database


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock()


@pytest.fixture
def outbox(database: Database, clock: ManualClock) -> Outbox:
    return Outbox(database, clock, uuid7, lease_seconds=LEASE_SECONDS)


@asynccontextmanager
async def at_work(worker: OutboxWorker) -> AsyncIterator[None]:
    stop = asyncio.Event()
    async with asyncio.timeout(5), asyncio.TaskGroup() as group:
        group.create_task(worker.run(stop))
        yield
        stop.set()


async def add(outbox: Outbox, database: Database, key: str = "order-1") -> None:
    async with database.transaction() as tx:
        await outbox.add(tx, "settle", key, {})
    outbox.wake()


async def until(outbox: Outbox, is_so: Callable[[Depth], bool]) -> None:
    """Wait for what the table itself says."""
    async with asyncio.timeout(5):
        while not is_so(await outbox.depth()):
            await asyncio.sleep(0.005)


async def drained(outbox: Outbox) -> None:
    await until(outbox, lambda depth: depth.waiting == depth.leased == 0)


async def failed(database: Database, attempts: int) -> None:
    """Wait until the only job has been given back after this many attempts."""
    query = Query("tried", "SELECT 1 FROM outbox WHERE attempts = $1 AND NOT is_leased")
    async with asyncio.timeout(5):
        while await database.fetch_one(query, attempts) is None:
            await asyncio.sleep(0.005)


async def test_jobs_are_done_for_the_request_that_added_them(outbox: Outbox, database: Database) -> None:
    handler = Handler()

    async with at_work(OutboxWorker(outbox, handler)):
        with context.scope(RequestContext("r-7", Caller("alice"), synthetic=True, traceparent=UNSAMPLED)):
            await add(outbox, database)
        await drained(outbox)

    [request] = handler.requests
    assert (request.request_id, request.caller, request.synthetic) == ("r-7", Caller("alice"), True)
    assert request.traceparent == UNSAMPLED


async def test_a_sampled_trace_goes_on_in_the_worker(outbox: Outbox, database: Database) -> None:
    handler = Handler()
    tracer = TracerProvider().get_tracer("test")

    async with at_work(OutboxWorker(outbox, handler, tracer=tracer)):
        with context.scope(RequestContext(traceparent=SAMPLED)):
            await add(outbox, database)
        await drained(outbox)

    assert handler.traces == ["0af7651916cd43dd8448eb211c80319c"]
    assert handler.requests[0].traceparent == ""


async def test_a_sampled_trace_goes_past_a_worker_that_makes_no_spans(
    outbox: Outbox, database: Database
) -> None:
    handler = Handler()

    async with at_work(OutboxWorker(outbox, handler)):
        with context.scope(RequestContext(traceparent=SAMPLED)):
            await add(outbox, database)
        await drained(outbox)

    assert handler.requests[0].traceparent == SAMPLED


async def test_a_failing_job_is_tried_again_ever_later_and_then_buried(
    outbox: Outbox, database: Database, clock: ManualClock
) -> None:
    handler = Handler(failures=99)
    await add(outbox, database)

    async with at_work(OutboxWorker(outbox, handler, retries=EAGER)):
        for attempts, seconds in ((1, 2), (2, 4)):
            await failed(database, attempts)
            clock.advance(seconds - 0.1)
            assert await outbox.lease(1) == []
            clock.advance(0.2)
            outbox.wake()
        await until(outbox, lambda depth: depth.dead == 1)

    assert [job.attempts for job in handler.given] == [1, 2, 3]
    row = await database.fetch_one(Query("failure", "SELECT failure FROM outbox"))
    assert row is not None
    assert row["failure"].startswith("ConnectionError: the provider is away")
    assert "4242" not in row["failure"]


async def test_a_job_that_takes_its_process_along_is_buried_without_another_try(
    outbox: Outbox, database: Database, clock: ManualClock
) -> None:
    handler = Handler()
    await add(outbox, database)
    for _ in range(EAGER.max_attempts):  # each of these workers died under the job
        await outbox.lease(1)
        clock.advance(LEASE_SECONDS + 1)

    async with at_work(OutboxWorker(outbox, handler, retries=EAGER)):
        await until(outbox, lambda depth: depth.dead == 1)

    assert handler.given == []


async def extended(database: Database, clock: ManualClock) -> None:
    """Wait until the lease reaches as far as it can now."""
    query = Query("extended", "SELECT 1 FROM outbox WHERE due_at = $1")
    async with asyncio.timeout(5):
        while await database.fetch_one(query, clock.now() + timedelta(seconds=LEASE_SECONDS)) is None:
            await asyncio.sleep(0.005)


async def test_a_long_job_keeps_its_lease(outbox: Outbox, database: Database, clock: ManualClock) -> None:
    handler = Handler(holds=True)
    await add(outbox, database)

    async with at_work(OutboxWorker(outbox, handler)):
        await handler.started.wait()
        for _ in range(9):
            clock.advance(LEASE_SECONDS / 3)
            await extended(database, clock)
        handler.let_go.set()
        await drained(outbox)

    assert len(handler.given) == 1


async def test_negative_control_without_a_heartbeat_a_long_job_is_given_to_others(
    outbox: Outbox, database: Database, clock: ManualClock
) -> None:
    class Heartless(Outbox):
        @override
        async def extend(self, job: object) -> None:
            pass

    handler = Handler(holds=True)
    await add(outbox, database)

    async with at_work(OutboxWorker(Heartless(database, clock, uuid7, lease_seconds=LEASE_SECONDS), handler)):
        await handler.started.wait()
        handler.started.clear()
        clock.advance(LEASE_SECONDS + 1)
        await handler.started.wait()
        handler.let_go.set()
        await drained(outbox)

    assert len(handler.given) == 2


async def test_a_handler_whose_lease_was_taken_is_cancelled(
    outbox: Outbox, database: Database, clock: ManualClock
) -> None:
    handler = Handler(holds=True)
    await add(outbox, database)

    async with at_work(OutboxWorker(outbox, handler, pace=Pace(concurrency=1))):
        await handler.started.wait()
        await database.execute(
            Query("take", "UPDATE outbox SET token = token + 1, due_at = due_at + '1 hour'")
        )
        clock.advance(LEASE_SECONDS / 3)
        await handler.cancelled.wait()

    assert (await outbox.depth()).leased == 1


async def test_a_handler_that_finished_its_job_itself_is_not_disturbed(
    outbox: Outbox, database: Database, clock: ManualClock
) -> None:
    class Watched(Outbox):
        beaten = asyncio.Event()

        @override
        async def extend(self, job: Leased) -> None:
            try:
                await super().extend(job)
            finally:
                self.beaten.set()

    async def finish_and_go_on(job: Job) -> None:
        async with database.transaction() as tx:
            await watched.finish(tx, job)
        clock.advance(LEASE_SECONDS / 3)
        await watched.beaten.wait()
        await asyncio.sleep(0.01)
        done.set()

    done = asyncio.Event()
    watched = Watched(database, clock, uuid7, lease_seconds=LEASE_SECONDS)
    await add(outbox, database)

    async with at_work(OutboxWorker(watched, finish_and_go_on)):
        await done.wait()


async def test_stopping_releases_what_does_not_end_in_time(outbox: Outbox, database: Database) -> None:
    handler = Handler(holds=True)
    await add(outbox, database)

    async with at_work(OutboxWorker(outbox, handler, pace=Pace(grace_seconds=0.01))):
        await handler.started.wait()

    [job] = await outbox.lease(1)
    assert job.attempts == 1


async def test_stopping_lets_a_handler_end_within_the_grace(outbox: Outbox, database: Database) -> None:
    handler = Handler(holds=True)
    await add(outbox, database)

    async with at_work(OutboxWorker(outbox, handler)):
        await handler.started.wait()
        asyncio.get_running_loop().call_later(0.02, handler.let_go.set)

    assert not handler.cancelled.is_set()
    assert await outbox.depth() == Depth(waiting=0, leased=0, dead=0, lag_seconds=0)


async def test_no_more_jobs_run_at_once_than_there_is_room_for(outbox: Outbox, database: Database) -> None:
    handler = Handler(holds=True)
    for number in range(5):
        await add(outbox, database, f"order-{number}")

    async with at_work(OutboxWorker(outbox, handler, pace=Pace(concurrency=2))):
        await until(outbox, lambda depth: depth.leased == 2)
        assert len(handler.given) == 2
        handler.let_go.set()
        await drained(outbox)

    assert sorted(job.key for job in handler.given) == [f"order-{number}" for number in range(5)]


async def test_a_store_that_was_away_is_asked_again(database: Database, clock: ManualClock) -> None:
    class Flaky(Outbox):
        faults = 2

        @override
        async def lease(self, limit: int) -> list[Job]:
            if self.faults:
                self.faults -= 1
                self.wake()
                raise StoreUnavailable("away")
            return await super().lease(limit)

    outbox = Flaky(database, clock, uuid7)
    handler = Handler()
    await add(outbox, database)

    async with at_work(OutboxWorker(outbox, handler)):
        await drained(outbox)

    assert len(handler.given) == 1


async def test_attempts_and_depth_are_counted(outbox: Outbox, database: Database, clock: ManualClock) -> None:
    instruments = Instruments("orders")
    read = instruments.registry.get_sample_value
    handler = Handler(failures=1)
    await add(outbox, database)

    async with at_work(OutboxWorker(outbox, handler, retries=EAGER, instruments=instruments)):
        await failed(database, attempts=1)
        clock.advance(5)
        outbox.wake()
        await drained(outbox)

    assert read("outbox_attempts_total", {"kind": "settle", "outcome": "retried"}) == 1
    assert read("outbox_attempts_total", {"kind": "settle", "outcome": "finished"}) == 1
    assert read("outbox_jobs", {"state": "dead"}) == 0


def test_a_fault_is_buried_soon_and_an_outage_is_waited_out() -> None:
    patient = Retries(max_attempts=10_000, outages=(ConnectionError,), max_attempts_at_fault=25)

    assert not patient.are_over(24, LookupError())
    assert patient.are_over(25, LookupError())
    assert not patient.are_over(9_999, ConnectionResetError())
    assert patient.are_over(10_000, ConnectionResetError())
    assert EAGER.are_over(3, ConnectionError())


def test_delays_double_up_to_a_bound_and_are_spread_by_chance() -> None:
    certain = Retries(first_seconds=1, longest_seconds=30, uniform=lambda: 1.0)
    lucky = Retries(first_seconds=1, longest_seconds=30, uniform=lambda: 0.25)

    assert [certain.delay_seconds(attempts) for attempts in (1, 2, 3, 4, 5, 5_000)] == [2, 4, 8, 16, 30, 30]
    assert lucky.delay_seconds(1) == 0.5
