"""PostgreSQL for one service: named queries over a bounded pool.

It promises that nothing waits for ever (for a connection or for an answer), that
a service can start while its database is away, and that every fault of the
connection comes as `StoreUnavailable`. That error does not mean "did not happen":
of calls cut off by a dying server some have committed. What the server says about
the data (a unique violation, a check) passes through as asyncpg raises it.

It refuses session state: no SET, no LISTEN, no advisory lock that outlives its
transaction. So a connection goes back to the pool without the round trip of a reset.
"""

import asyncio
import contextlib
import json
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass
from typing import Any, TypeAlias, TypeVar

import asyncpg
from opentelemetry import trace
from opentelemetry.trace import NoOpTracer, SpanKind, StatusCode, Tracer

from servicekit.errors import StoreUnavailable
from servicekit.instruments import Instruments
from servicekit.postgres_errors import SERVER_AWAY, failure_of, is_away, said_of
from servicekit.postgres_signals import NoSignals, PoolUse, PostgresSignals, Signals
from servicekit.settings import PostgresSettings

Record: TypeAlias = asyncpg.Record
"""One row: `row["name"]`. A uuid is a str, a jsonb what json.loads makes of it."""

T = TypeVar("T")

_CLOSE_SECONDS = 5.0
_FRESH_SECONDS = 0.5
_IDLE_IN_TRANSACTION_SECONDS = 10.0


@dataclass(frozen=True, slots=True)
class Query:
    """One statement with a name, under which it is timed, traced and counted.

    Attributes:
        name: `<table>.<verb>`, unique in the service.
        text: SQL with `$1` parameters, a constant: values never stand in it.
    """

    name: str
    text: str


class Transaction:
    """Statements that happen together or not at all; made by `Database.transaction`."""

    def __init__(self, connection: Any, signals: Signals, tracer: Tracer) -> None:  # noqa: ANN401 - untyped library
        self._connection = connection
        self._signals = signals
        self._tracer = tracer

    async def fetch(self, query: Query, *args: object) -> list[Record]:
        """All rows."""
        return await self._observed(query, self._connection.fetch, args)

    async def fetch_one(self, query: Query, *args: object) -> Record | None:
        """The first row, if any."""
        return await self._observed(query, self._connection.fetchrow, args)

    async def execute(self, query: Query, *args: object) -> int:
        """The number of rows that were touched."""
        return _rows_touched(await self.command(query, *args))

    async def command(self, query: Query, *args: object) -> str:
        """The server's command tag, such as `UPDATE 3`."""
        tag: str = await self._observed(query, self._connection.execute, args)
        return tag

    async def _observed(self, query: Query, run: Callable[..., Awaitable[T]], args: tuple[object, ...]) -> T:
        started = time.perf_counter()
        failure = ""
        try:
            if trace.get_current_span().is_recording():
                return await self._traced(query, run, args)
            return await run(query.text, *args)
        except Exception as error:
            failure = failure_of(error)
            if is_away(error, self._connection):
                raise StoreUnavailable(said_of(error)) from error
            raise
        finally:
            self._signals.query_ended(query.name, time.perf_counter() - started, failure)

    async def _traced(self, query: Query, run: Callable[..., Awaitable[T]], args: tuple[object, ...]) -> T:
        # The library's text of an error holds values of rows: a span gets its kind alone.
        attributes = {"db.system.name": "postgresql", "db.query.summary": query.name}
        with self._tracer.start_as_current_span(
            query.name,
            kind=SpanKind.CLIENT,
            attributes=attributes,
            record_exception=False,
            set_status_on_exception=False,
        ) as span:
            try:
                return await run(query.text, *args)
            except Exception as error:
                span.set_attribute("error.type", type(error).__qualname__)
                span.set_status(StatusCode.ERROR)
                raise


class Database:
    """A service's database. The pool is made at the first call, its connections when they are needed."""

    def __init__(
        self, settings: PostgresSettings, instruments: Instruments | None = None, tracer: Tracer | None = None
    ) -> None:
        self._settings = settings
        self._signals: Signals = NoSignals() if instruments is None else PostgresSignals(instruments)
        self._tracer = tracer or NoOpTracer()
        self._pool: Any = None
        self._closed = False
        self._answered_at = float("-inf")
        self._signals.watch_pool(settings.database_pool_size, self._pool_use)

    async def fetch(self, query: Query, *args: object) -> list[Record]:
        """All rows; StoreUnavailable when the server did not answer."""
        async with self._session() as session:
            return await session.fetch(query, *args)

    async def fetch_one(self, query: Query, *args: object) -> Record | None:
        """The first row, if any; StoreUnavailable when the server did not answer."""
        async with self._session() as session:
            return await session.fetch_one(query, *args)

    async def execute(self, query: Query, *args: object) -> int:
        """The number of rows that were touched; StoreUnavailable when the server did not answer."""
        async with self._session() as session:
            return await session.execute(query, *args)

    @contextlib.asynccontextmanager
    async def transaction(self) -> AsyncIterator[Transaction]:
        """One transaction, READ COMMITTED: committed when the block ends, rolled back when it raises.

        StoreUnavailable from the end of the block leaves open whether it committed.
        A statement's error that the block catches has spoilt the transaction all the
        same: its end then raises asyncpg.InFailedSQLTransactionError.
        """
        async with self._session() as session:
            await session.execute(_BEGIN)
            try:
                yield session
            except BaseException:
                # On a lost connection the server rolls back by itself.
                with contextlib.suppress(StoreUnavailable):
                    await session.execute(_ROLLBACK)
                raise
            if await session.command(_COMMIT) != "COMMIT":
                raise asyncpg.InFailedSQLTransactionError("nothing was committed: a statement had failed")

    async def ping(self) -> None:
        """Return when the server answers, or did for somebody a moment ago; else StoreUnavailable.

        A pool that is busy with queries that succeed is no outage.
        """
        if time.monotonic() - self._answered_at > _FRESH_SECONDS:
            await self.fetch(_PING)

    async def close(self) -> None:
        """Close the pool for good: calls that run are given a few seconds, later ones are refused."""
        self._closed = True
        if self._pool is not None:
            try:
                await asyncio.wait_for(self._pool.close(), _CLOSE_SECONDS)
            except TimeoutError:
                self._pool.terminate()

    @contextlib.asynccontextmanager
    async def _session(self) -> AsyncIterator[Transaction]:
        pool = await self._open_pool()
        timeout = self._settings.database_command_timeout_seconds
        try:
            connection = await pool.acquire(timeout=timeout)
        except Exception as error:
            if is_away(error, None):
                raise StoreUnavailable(said_of(error)) from error
            raise
        try:
            yield Transaction(connection, self._signals, self._tracer)
            self._answered_at = time.monotonic()
        except StoreUnavailable:
            self._answered_at = float("-inf")
            raise
        finally:
            # What cannot be given back the pool has ended itself, and the caller has its statement's answer.
            with contextlib.suppress(*SERVER_AWAY, asyncpg.InterfaceError):
                await pool.release(connection, timeout=timeout)

    async def _open_pool(self) -> Any:  # noqa: ANN401 - untyped library
        if self._closed:
            raise StoreUnavailable("the database is closed: this process is stopping")
        if self._pool is None:
            timeout = self._settings.database_command_timeout_seconds
            # With no connection to make at once this does not suspend: no second pool can be made meanwhile.
            self._pool = await asyncpg.create_pool(
                self._settings.database_url.get_secret_value(),
                min_size=0,
                max_size=self._settings.database_pool_size,
                timeout=timeout,
                command_timeout=timeout,
                init=_set_codecs,
                reset=_leave_as_is,
                server_settings=_server_settings(timeout),
            )
        return self._pool

    def _pool_use(self) -> PoolUse:
        if self._pool is None:
            return PoolUse(used=0, idle=0)
        idle = self._pool.get_idle_size()
        return PoolUse(used=self._pool.get_size() - idle, idle=idle)


_PING = Query("ping", "SELECT 1")
_BEGIN = Query("begin", "BEGIN ISOLATION LEVEL READ COMMITTED")
_COMMIT = Query("commit", "COMMIT")
_ROLLBACK = Query("rollback", "ROLLBACK")


def _rows_touched(status: str) -> int:
    """The count at the end of a command tag, such as `UPDATE 3`; 0 where there is none."""
    count = status.rpartition(" ")[2]
    return int(count) if count.isdigit() else 0


def _server_settings(timeout_seconds: float) -> dict[str, str]:
    """The server's own bounds: they hold where our cancel request cannot arrive."""
    return {
        "statement_timeout": f"{int(timeout_seconds * 1000)}",
        "idle_in_transaction_session_timeout": f"{int(_IDLE_IN_TRANSACTION_SECONDS * 1000)}",
    }


async def _set_codecs(connection: Any) -> None:  # noqa: ANN401 - untyped library
    await connection.set_type_codec("uuid", schema="pg_catalog", encoder=str, decoder=str, format="text")
    for name in ("json", "jsonb"):
        await connection.set_type_codec(name, schema="pg_catalog", encoder=json.dumps, decoder=json.loads)


async def _leave_as_is(connection: Any) -> None:  # noqa: ANN401 - untyped library
    """Nothing to reset: see the module's docstring. asyncpg itself ends a transaction left open."""
