"""Jobs, leases and fencing tokens, against a real PostgreSQL. Time is a ManualClock's."""

import asyncio
import dataclasses
from collections.abc import Callable
from typing import Any

import pytest

from servicekit import context
from servicekit.clock import ManualClock, uuid7
from servicekit.context import Caller, RequestContext
from servicekit.outbox import TABLE, Job, LeaseLost, Outbox, table
from servicekit.postgres import Database, Query

LEASE_SECONDS = 10.0
TRACEPARENT = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-00"


@pytest.fixture
async def database(open_database: Callable[..., Database]) -> Database:
    database = open_database()
    for statement in TABLE:
        await database.execute(Query("make", statement))
    await database.execute(Query("make", "CREATE TABLE results (key text)"))
    return database


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock()


@pytest.fixture
def outbox(database: Database, clock: ManualClock) -> Outbox:
    return Outbox(database, clock, uuid7, lease_seconds=LEASE_SECONDS)


async def add(outbox: Outbox, database: Database, *keys: str, **options: Any) -> None:
    async with database.transaction() as tx:
        for key in keys:
            await outbox.add(tx, "settle", key, {"amount": 5}, **options)


async def lease_one(outbox: Outbox) -> Job:
    [job] = await outbox.lease(10)
    return job


async def keep_result(outbox: Outbox, database: Database, job: Job) -> None:
    """What a handler does last: keep its result and finish the job, together."""
    async with database.transaction() as tx:
        await tx.execute(Query("results.add", "INSERT INTO results VALUES ($1)"), job.key)
        await outbox.finish(tx, job)


async def results(database: Database) -> list[str]:
    return [row["key"] for row in await database.fetch(Query("results.all", "SELECT key FROM results"))]


async def rows(database: Database) -> list[dict[str, Any]]:
    found = await database.fetch(
        Query("all", "SELECT key, is_leased, dead_at, failure, attempts FROM outbox")
    )
    return [dict(row) for row in found]


async def test_a_job_carries_what_was_said_and_for_whom(outbox: Outbox, database: Database) -> None:
    request = RequestContext("r-1", Caller("alice"), synthetic=True, traceparent=TRACEPARENT)

    with context.scope(request):
        await add(outbox, database, "order-1")

    job = await lease_one(outbox)
    assert (job.kind, job.key, job.payload, job.attempts) == ("settle", "order-1", {"amount": 5}, 1)
    assert (job.request_id, job.subject, job.synthetic) == ("r-1", "alice", True)
    assert job.traceparent == TRACEPARENT


async def test_a_job_of_a_transaction_that_fails_never_was(outbox: Outbox, database: Database) -> None:
    async def add_and_fail() -> None:
        async with database.transaction() as tx:
            await outbox.add(tx, "settle", "order-1", {})
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        await add_and_fail()

    assert await outbox.lease(10) == []


async def test_a_leased_job_is_nobody_elses_until_the_lease_ends(
    outbox: Outbox, database: Database, clock: ManualClock
) -> None:
    await add(outbox, database, "order-1")
    first = await lease_one(outbox)

    clock.advance(LEASE_SECONDS - 1)
    assert await outbox.lease(10) == []

    clock.advance(2)
    second = await lease_one(outbox)
    assert second.id == first.id
    assert second.token > first.token
    assert second.attempts == 2


async def test_an_extended_lease_holds_longer(outbox: Outbox, database: Database, clock: ManualClock) -> None:
    await add(outbox, database, "order-1")
    job = await lease_one(outbox)
    clock.advance(LEASE_SECONDS - 1)

    await outbox.extend(job)

    clock.advance(LEASE_SECONDS - 1)
    assert await outbox.lease(10) == []


async def two_workers_one_a_zombie(outbox: Outbox, database: Database, clock: ManualClock) -> tuple[Job, Job]:
    await add(outbox, database, "order-1")
    zombie = await lease_one(outbox)
    clock.advance(LEASE_SECONDS + 1)
    return zombie, await lease_one(outbox)


async def test_a_zombie_cannot_finish_and_keeps_no_result(
    outbox: Outbox, database: Database, clock: ManualClock
) -> None:
    zombie, heir = await two_workers_one_a_zombie(outbox, database, clock)

    with pytest.raises(LeaseLost):
        await keep_result(outbox, database, zombie)
    await keep_result(outbox, database, heir)

    assert await results(database) == ["order-1"]
    assert await rows(database) == []


async def test_negative_control_without_the_fencing_check_a_zombie_keeps_its_result_too(
    outbox: Outbox, database: Database, clock: ManualClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(
        table, "FINISH", Query("unfenced", "UPDATE outbox SET token = token WHERE id = $1 AND $2 > 0")
    )
    zombie, heir = await two_workers_one_a_zombie(outbox, database, clock)

    await keep_result(outbox, database, zombie)
    await keep_result(outbox, database, heir)

    assert await results(database) == ["order-1", "order-1"]


async def test_a_zombie_can_change_nothing(outbox: Outbox, database: Database, clock: ManualClock) -> None:
    zombie, heir = await two_workers_one_a_zombie(outbox, database, clock)

    for change in (
        outbox.extend(zombie),
        outbox.retry(zombie, 0),
        outbox.release(zombie),
        outbox.bury(zombie, "gave up"),
        outbox.finish_alone(zombie),
    ):
        with pytest.raises(LeaseLost):
            await change

    await outbox.extend(heir)


async def test_who_has_given_a_job_back_can_no_longer_finish_it(outbox: Outbox, database: Database) -> None:
    await add(outbox, database, "order-1")
    job = await lease_one(outbox)
    await outbox.retry(job, delay_seconds=60)

    with pytest.raises(LeaseLost):
        await keep_result(outbox, database, job)

    assert await results(database) == []


async def lease_while_another_transaction_leases(outbox: Outbox, database: Database) -> list[Job]:
    """Lease in the middle of another worker's leasing statement: its rows are locked, not yet marked."""
    await add(outbox, database, "order-1", "order-2")
    async with database.transaction() as other:
        await other.fetch(Query("lock", "SELECT id FROM outbox WHERE key = 'order-1' FOR UPDATE"))
        return await asyncio.wait_for(outbox.lease(10), 1)


async def test_leasing_goes_past_what_another_worker_is_leasing(outbox: Outbox, database: Database) -> None:
    jobs = await lease_while_another_transaction_leases(outbox, database)

    assert [job.key for job in jobs] == ["order-2"]


async def test_negative_control_without_skip_locked_workers_queue_behind_each_other(
    outbox: Outbox, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    waiting = dataclasses.replace(table.LEASE, text=table.LEASE.text.replace("SKIP LOCKED", ""))
    monkeypatch.setattr(table, "LEASE", waiting)

    with pytest.raises(TimeoutError):
        await lease_while_another_transaction_leases(outbox, database)


async def lease_all_from_many_workers(outbox: Outbox, database: Database) -> list[str]:
    await add(outbox, database, *(f"order-{n}" for n in range(40)))
    async with asyncio.TaskGroup() as group:
        leasing = [group.create_task(outbox.lease(10)) for _ in range(8)]
    return [job.key for lease in leasing for job in lease.result()]


async def test_no_job_goes_to_two_workers(outbox: Outbox, database: Database) -> None:
    leased = await lease_all_from_many_workers(outbox, database)

    assert sorted(leased) == sorted(f"order-{n}" for n in range(40))


async def test_negative_control_without_a_lock_jobs_go_to_several_workers(
    outbox: Outbox, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    # A look at what is due is slow enough for others to look, too.
    unlocked = table.LEASE.text.replace("FOR UPDATE SKIP LOCKED", "").replace(
        "FROM due", "FROM due, pg_sleep(0.2)"
    )
    monkeypatch.setattr(table, "LEASE", Query("unlocked", unlocked))

    leased = await lease_all_from_many_workers(outbox, database)

    assert len(leased) > len(set(leased))


async def test_a_retried_job_waits_and_remembers_why(
    outbox: Outbox, database: Database, clock: ManualClock
) -> None:
    await add(outbox, database, "order-1")
    await outbox.retry(await lease_one(outbox), delay_seconds=60, failure="PaymentUnsettled: later")

    assert await outbox.lease(10) == []
    assert [(row["attempts"], row["failure"]) for row in await rows(database)] == [
        (1, "PaymentUnsettled: later")
    ]
    clock.advance(61)
    assert (await lease_one(outbox)).attempts == 2


async def test_a_released_job_is_due_at_once_and_lost_no_attempt(outbox: Outbox, database: Database) -> None:
    await add(outbox, database, "order-1")

    await outbox.release(await lease_one(outbox))

    assert (await lease_one(outbox)).attempts == 1


async def test_a_buried_job_stays_and_is_never_leased(
    outbox: Outbox, database: Database, clock: ManualClock
) -> None:
    await add(outbox, database, "order-1")

    await outbox.bury(await lease_one(outbox), "gave up")

    clock.advance(1_000_000)
    assert await outbox.lease(10) == []
    assert [(row["dead_at"] is not None, row["failure"]) for row in await rows(database)] == [
        (True, "gave up")
    ]


async def test_a_buried_job_is_listed_and_replayed_once_under_a_newer_token(
    outbox: Outbox, database: Database, clock: ManualClock
) -> None:
    await add(outbox, database, "order-1")
    zombie = await lease_one(outbox)
    await outbox.bury(zombie, "gave up")

    (dead,) = await outbox.dead(None, 10)
    assert (dead.id, dead.key, dead.failure, dead.dead_at) == (zombie.id, "order-1", "gave up", clock.now())
    assert await outbox.dead(dead.id, 10) == []
    async with database.transaction() as tx:
        assert await outbox.replay(tx, dead.id)
        assert not await outbox.replay(tx, dead.id)

    again = await lease_one(outbox)
    assert (again.id, again.attempts) == (zombie.id, 1)
    assert again.token > zombie.token


async def test_a_delayed_job_waits(outbox: Outbox, database: Database, clock: ManualClock) -> None:
    await add(outbox, database, "order-1", delay_seconds=30)

    assert await outbox.lease(10) == []
    clock.advance(31)
    assert (await lease_one(outbox)).key == "order-1"


async def test_the_depth_tells_waiting_leased_dead_and_lag(
    outbox: Outbox, database: Database, clock: ManualClock
) -> None:
    await add(outbox, database, "order-1", "order-2")
    for job in await outbox.lease(2):
        await (outbox.bury(job, "x") if job.key == "order-1" else outbox.extend(job))
    await add(outbox, database, "order-3")
    clock.advance(4)

    depth = await outbox.depth()

    assert (depth.waiting, depth.leased, depth.dead, depth.lag_seconds) == (1, 1, 1, 4.0)


async def test_waking_ends_a_wait_and_a_wake_during_a_lease_is_not_missed(
    outbox: Outbox, clock: ManualClock
) -> None:
    await outbox.lease(1)
    outbox.wake()
    await asyncio.wait_for(outbox.wait(60), 1)

    await outbox.lease(1)
    waiting = asyncio.create_task(outbox.wait(60))
    while not clock.sleepers:
        await asyncio.sleep(0)
    clock.advance(61)
    await asyncio.wait_for(waiting, 1)


async def test_leasing_stays_fast_after_a_hundred_thousand_finished_jobs(
    outbox: Outbox, database: Database
) -> None:
    await database.execute(
        Query(
            "many",
            """
            INSERT INTO outbox
                (id, kind, key, payload, due_at, request_id, traceparent, subject, synthetic, created_at)
            SELECT gen_random_uuid(), 'settle', n::text, '{}', '2025-01-01', '', '', '', false, '2025-01-01'
            FROM generate_series(1, 100000) AS n
            """,
        )
    )
    await database.execute(Query("finish", "DELETE FROM outbox"))
    await add(outbox, database, "order-1")

    started = asyncio.get_running_loop().time()
    job = await lease_one(outbox)
    seconds = asyncio.get_running_loop().time() - started

    assert job.key == "order-1"
    assert seconds < 0.1


async def test_leasing_uses_its_index(database: Database) -> None:
    plan = await database.fetch(
        Query(
            "plan",
            "EXPLAIN " + table.LEASE.text.replace("$1", "now()").replace("$2", "8").replace("$3", "now()"),
        )
    )

    assert "outbox_due" in "\n".join(row["QUERY PLAN"] for row in plan)
