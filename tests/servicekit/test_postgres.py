"""The pool, its bounds and its errors, against a real PostgreSQL."""

import asyncio
import contextlib
import os
import signal
from collections.abc import Callable
from pathlib import Path

import asyncpg
import psutil
import pytest
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from launcher.databases import EmbeddedPostgres
from servicekit.errors import StoreUnavailable
from servicekit.instruments import Instruments
from servicekit.postgres import Database, Query

ONE = Query("numbers.one", "SELECT 1 AS number")
SLEEP = Query("numbers.sleep", "SELECT pg_sleep($1)")
ADD = Query("numbers.add", "INSERT INTO numbers (number) VALUES ($1)")
COUNT = Query("numbers.count", "SELECT count(*) AS count FROM numbers")
MAKE = Query("numbers.make", "CREATE TABLE numbers (number int PRIMARY KEY)")
BACKEND = Query("numbers.backend", "SELECT pg_backend_pid() AS pid")

Open = Callable[..., Database]


@pytest.fixture
async def database(open_database: Open) -> Database:
    database = open_database(None)
    await database.execute(MAKE)
    return database


async def count(database: Database) -> int:
    row = await database.fetch_one(COUNT)
    assert row is not None
    return int(row["count"])


async def test_rows_come_back_and_touched_ones_are_counted(database: Database) -> None:
    assert await database.execute(ADD, 7) == 1
    assert (
        await database.execute(
            Query("numbers.raise", "UPDATE numbers SET number = number + 1 WHERE number < $1"), 7
        )
        == 0
    )
    assert [row["number"] for row in await database.fetch(Query("numbers.all", "SELECT * FROM numbers"))] == [
        7
    ]
    assert (
        await database.fetch_one(Query("numbers.get", "SELECT * FROM numbers WHERE number = $1"), 8) is None
    )


async def test_uuids_are_text_and_documents_are_objects(database: Database) -> None:
    text = "0190b3a4-5b6c-7d8e-9f01-23456789abcd"
    query = Query(
        "types", "SELECT $1::uuid AS id, $2::jsonb AS document, $1::uuid = ANY($3::uuid[]) AS found"
    )

    row = await database.fetch_one(query, text, {"a": [1, None]}, [text])

    assert row is not None
    assert dict(row) == {"id": text, "document": {"a": [1, None]}, "found": True}


async def test_a_transaction_that_raises_leaves_nothing(database: Database) -> None:
    async def add_and_fail() -> None:
        async with database.transaction() as transaction:
            await transaction.execute(ADD, 1)
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        await add_and_fail()

    assert await count(database) == 0


async def test_what_the_server_says_of_the_data_passes_through(database: Database) -> None:
    await database.execute(ADD, 1)

    with pytest.raises(asyncpg.UniqueViolationError):
        await database.execute(ADD, 1)


async def test_a_query_used_wrongly_is_our_fault_not_the_stores(database: Database) -> None:
    with pytest.raises(asyncpg.InterfaceError):
        await database.fetch(ADD)
    with pytest.raises(asyncpg.DataError):
        await database.execute(ADD, "one")


async def test_a_database_that_is_away_is_unavailable_and_says_so(
    open_database: Open, tmp_path: Path
) -> None:
    database = open_database(url=f"postgresql://nobody@/none?host={tmp_path}")

    with pytest.raises(StoreUnavailable, match="not reachable"):
        await database.ping()


async def test_a_database_that_does_not_exist_yet_heals_without_help(
    open_database: Open, postgres_server: EmbeddedPostgres
) -> None:
    database = open_database(url=postgres_server.url("not_yet"))
    with pytest.raises(StoreUnavailable, match="knows no such database"):
        await database.ping()

    admin = await asyncpg.connect(postgres_server.admin_url)
    await admin.execute("CREATE DATABASE not_yet")

    await database.ping()

    await database.close()
    await admin.execute("DROP DATABASE not_yet")
    await admin.close()


async def test_a_slow_statement_is_cut_off(open_database: Open) -> None:
    database = open_database(None, database_command_timeout_seconds=0.1)

    with pytest.raises(StoreUnavailable, match="in time"):
        await database.fetch(SLEEP, 5)

    assert await database.fetch_one(ONE) is not None


async def test_waiting_for_a_connection_is_bounded(open_database: Open) -> None:
    database = open_database(None, database_pool_size=1, database_command_timeout_seconds=0.1)

    async with database.transaction():
        with pytest.raises(StoreUnavailable, match="in time"):
            await database.fetch(ONE)


async def test_a_frozen_server_costs_a_bounded_wait(open_database: Open) -> None:
    database = open_database(None, database_command_timeout_seconds=0.2)
    row = await database.fetch_one(BACKEND)
    assert row is not None
    os.kill(row["pid"], signal.SIGSTOP)
    try:
        async with asyncio.timeout(2):
            with pytest.raises(StoreUnavailable):
                await database.fetch(ONE)
    finally:
        os.kill(row["pid"], signal.SIGCONT)


async def test_a_killed_connection_is_unavailable_once_and_then_replaced(
    open_database: Open, postgres_server: EmbeddedPostgres
) -> None:
    url = postgres_server.url("postgres")
    killer, database = open_database(url=url), open_database(url=url)
    row = await database.fetch_one(BACKEND)
    assert row is not None
    sleeping = asyncio.create_task(database.fetch(SLEEP, 2))
    await asyncio.sleep(0.05)

    await killer.fetch(Query("kill", "SELECT pg_terminate_backend($1)"), row["pid"])

    with pytest.raises(StoreUnavailable):
        await sleeping
    replaced = await database.fetch_one(BACKEND)
    assert replaced is not None
    assert replaced["pid"] != row["pid"]


async def test_a_cancelled_call_gives_its_connection_back(open_database: Open) -> None:
    database = open_database(None, database_pool_size=1)
    sleeping = asyncio.create_task(database.fetch(SLEEP, 5))
    await asyncio.sleep(0.05)

    sleeping.cancel()

    with pytest.raises(asyncio.CancelledError):
        await sleeping
    assert await database.fetch_one(ONE) is not None


async def test_a_busy_pool_that_answers_is_no_outage(open_database: Open) -> None:
    database = open_database(None, database_pool_size=1, database_command_timeout_seconds=0.2)
    await database.fetch(ONE)

    async with database.transaction():
        await database.ping()


async def test_a_closed_database_refuses(database: Database) -> None:
    await database.close()

    with pytest.raises(StoreUnavailable, match="stopping"):
        await database.fetch(ONE)


async def test_queries_and_connections_are_counted(open_database: Open) -> None:
    instruments = Instruments("orders")
    database = open_database(None, instruments=instruments, database_pool_size=3)

    await database.fetch(ONE)
    with pytest.raises(asyncpg.DivisionByZeroError):
        await database.fetch(Query("numbers.divide", "SELECT 1 / 0"))

    read = instruments.registry.get_sample_value
    assert read("db_query_duration_seconds_count", {"query": "numbers.one"}) == 1
    assert read("db_query_errors_total", {"sqlstate_class": "22"}) == 1
    assert read("db_pool_connections", {"state": "idle"}) == 1
    async with database.transaction():
        assert read("db_pool_connections", {"state": "used"}) == 1
    assert read("db_pool_size") == 3


async def test_a_sampled_request_gets_a_span_per_query_that_leaks_no_value(
    database: Database, open_database: Open
) -> None:
    spans = InMemorySpanExporter()
    provider = TracerProvider()
    provider.add_span_processor(SimpleSpanProcessor(spans))
    tracer = provider.get_tracer("test")
    traced = open_database(None, tracer=tracer)

    await traced.execute(MAKE)
    with tracer.start_as_current_span("request"):
        await traced.execute(ADD, 4242)
        with pytest.raises(asyncpg.UniqueViolationError):
            await traced.execute(ADD, 4242)

    ended = spans.get_finished_spans()
    assert [span.name for span in ended] == ["numbers.add", "numbers.add", "request"]
    assert ended[1].attributes is not None
    assert ended[1].attributes["error.type"] == "UniqueViolationError"
    assert "4242" not in "".join(span.to_json() for span in ended)


async def test_the_server_ends_a_statement_whose_client_is_gone(open_database: Open) -> None:
    database = open_database(None, database_command_timeout_seconds=1)

    row = await database.fetch_one(Query("show", "SELECT current_setting('statement_timeout') AS bound"))

    assert row is not None
    assert row["bound"] == "1s"


async def test_a_transaction_spoilt_by_a_caught_error_does_not_pass_for_committed(database: Database) -> None:
    async def add_twice_and_carry_on() -> None:
        async with database.transaction() as transaction:
            await transaction.execute(ADD, 1)
            with contextlib.suppress(asyncpg.UniqueViolationError):
                await transaction.execute(ADD, 1)

    with pytest.raises(asyncpg.InFailedSQLTransactionError):
        await add_twice_and_carry_on()

    assert await count(database) == 0


async def test_an_error_of_the_block_is_not_blamed_on_the_store(database: Database) -> None:
    with pytest.raises(TimeoutError):
        async with database.transaction():
            raise TimeoutError

    await database.ping()


def test_the_embedded_server_is_really_there(postgres_server: EmbeddedPostgres) -> None:
    assert psutil.Process(postgres_server.pid).name() == "postgres"
