"""What an order costs when a million are stored, and a claim from the outbox when 100,000 are finished.

Two databases on one embedded server: a small one and a large one, asked in turns, so
that noise meets both. An order is created by the service's own use case and store; one
that waits for an age check, because nobody has to settle it. Finished jobs are deleted,
so what 100,000 of them leave behind is dead rows, until vacuum comes.
"""

from __future__ import annotations

import asyncio
import shutil
import statistics
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable, Mapping
from pathlib import Path

import asyncpg
import uvloop
from pydantic import SecretStr
from typing_extensions import override

from launcher.databases import EmbeddedPostgres
from servicekit.clock import SystemClock, uuid7
from servicekit.context import Caller, RequestContext, scope
from servicekit.flags import FlagSettings, open_flags
from servicekit.instruments import Instruments
from servicekit.outbox import Outbox
from servicekit.postgres import Database
from servicekit.settings import PostgresSettings
from services.orders.metrics import OrderMetrics
from services.orders.model import Basket, BasketLine, Tendered, TenderMethod
from services.orders.model.offline import TillId
from services.orders.ports.offline import Tills
from services.orders.store.postgres import PostgresStore
from services.orders.usecases import Answering, Changes, Ordering, Permits

SMALL = 1_000
LARGE = 1_000_000
FINISHED = 100_000
ROUNDS = 15
ORDERS_A_ROUND = 60
CLAIMS_A_ROUND = 60
ASKED = 1.2

PRODUCT = (
    "INSERT INTO products (sku, name, currency_code, price_minor, minimum_age, created_at)"
    " VALUES ('GIN', 'Gin', 'EUR', 1899, 18, now())"
)
STOCK = "INSERT INTO stock (sku, on_hand, reserved, updated_at) VALUES ('GIN', 100000000, 0, now())"
_ID = "('01900000-' || lpad(to_hex(n / 65536), 4, '0') || '-7000-8000-' || lpad(to_hex(n), 12, '0'))::uuid"
_DAY = "timestamptz '2026-01-01' + n * interval '10 seconds'"
STORED = (
    f"""
    INSERT INTO orders (id, state, state_reason, currency_code, total_minor, placed_by, synthetic,
        created_at, updated_at, event, sequence)
    SELECT {_ID}, 'COMPLETED', '', 'EUR', 1899, 'buyer-' || n % 5000, false, {_DAY}, {_DAY},
        'order_completed', 3
    FROM generate_series(1, $1::int) AS n
    """,
    f"""
    INSERT INTO order_lines (order_id, position, sku, name, quantity, unit_price_minor)
    SELECT {_ID}, 1, 'GIN', 'Gin', 1, 1899 FROM generate_series(1, $1::int) AS n
    """,
    f"""
    INSERT INTO order_tenders (order_id, position, method, handle, amount_minor, payment_id)
    SELECT {_ID}, 1, 'CARD', 'pm_card_visa', 1899, {_ID} FROM generate_series(1, $1::int) AS n
    """,
    f"""
    INSERT INTO order_events (order_id, sequence, name, state, state_reason, payment_ids, at)
    SELECT {_ID}, 3, 'order_completed', 'COMPLETED', '', ARRAY[{_ID}], {_DAY}
    FROM generate_series(1, $1::int) AS n
    """,
    f"""
    INSERT INTO idempotency_keys (caller, operation, key, fingerprint, made, created_at)
    SELECT 'buyer-' || n % 5000, 'orders.create', 'key-' || n, sha256(n::text::bytea), {_ID}::text, {_DAY}
    FROM generate_series(1, $1::int) AS n
    """,
)  # the text is ours: nothing of a caller's stands in it

Work = Callable[[], Awaitable[None]]


class NoTills(Tills):
    """A shop without tills."""

    @override
    async def is_known(self, till_id: TillId) -> bool:
        """None is."""
        return not till_id


class Shop:
    """The service's store and use case on one database."""

    def __init__(self, url: str, instruments: Instruments) -> None:
        self.url = url
        self.database = Database(PostgresSettings(database_url=SecretStr(url)))
        self.clock = SystemClock()
        self.outbox = Outbox(self.database, self.clock, uuid7)
        store = PostgresStore(self.database, self.outbox)
        signals = OrderMetrics(instruments)
        answering = Answering(store, Changes(self.clock), signals, self.clock)
        permits = Permits(open_flags(FlagSettings(), instruments), NoTills())
        self._ordering = Ordering(store, answering, permits, signals, self.clock, uuid7)

    async def create(self) -> None:
        """One order that waits for an age check."""
        basket = Basket((BasketLine("GIN", 1),), (Tendered(TenderMethod.CARD, "pm_card_visa"),))
        request = RequestContext(request_id=uuid7(), caller=Caller("alice"), idempotency_key=uuid7())
        with scope(request):
            await self._ordering.place(basket, bytes(32))

    async def claim(self) -> None:
        """One job: added, leased, finished."""
        async with self.database.transaction() as tx:
            await self.outbox.add(tx, "settle", uuid7(), {})
        (job,) = await self.outbox.lease(1)
        async with self.database.transaction() as tx:
            await self.outbox.finish(tx, job)


def run(environ: Mapping[str, str]) -> None:
    """Measure, and print the ratios."""
    home = Path(tempfile.mkdtemp(prefix="tillmesh-bench-"))
    home.chmod(0o711)  # run by root, PostgreSQL is another user
    try:
        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            runner.run(_measure(EmbeddedPostgres(home), environ))
    finally:
        shutil.rmtree(home, ignore_errors=True)


async def _measure(server: EmbeddedPostgres, environ: Mapping[str, str]) -> None:
    await server.start()
    instruments = Instruments("orders")
    try:
        small = await _shop(server, "small", SMALL, environ, instruments)
        large = await _shop(server, "large", LARGE, environ, instruments)
        await _compare(f"creating an order, {LARGE:,} stored", small.create, large.create, ORDERS_A_ROUND)
        await _finish_jobs(large.url)
        await _compare(f"claiming a job, {FINISHED:,} finished", small.claim, large.claim, CLAIMS_A_ROUND)
        for shop in (small, large):
            await shop.database.close()
    finally:
        await server.stop()


async def _shop(
    server: EmbeddedPostgres, name: str, orders: int, environ: Mapping[str, str], instruments: Instruments
) -> Shop:
    admin = await asyncpg.connect(server.admin_url)
    await admin.execute(f"CREATE DATABASE {name}")
    await admin.close()
    url = server.url(name)
    command = [sys.executable, "-m", "servicekit.migrations", "services.orders"]
    migrating = await asyncio.create_subprocess_exec(*command, env={**environ, "DATABASE_URL": url})
    if await migrating.wait():
        raise RuntimeError(f"{name} was not migrated")
    connection = await asyncpg.connect(url)
    # As a restore does: constraints between tables hold by construction.
    await connection.execute("SET session_replication_role = replica")
    for statement in (PRODUCT, STOCK):
        await connection.execute(statement)
    for statement in STORED:
        await connection.execute(statement, orders)
    await connection.execute("VACUUM ANALYZE")
    await connection.execute("CHECKPOINT")
    await connection.close()
    return Shop(url, instruments)


async def _finish_jobs(url: str) -> None:
    connection = await asyncpg.connect(url)
    await connection.execute(
        """
        INSERT INTO outbox (id, kind, key, payload, due_at, request_id, traceparent, subject, synthetic,
            created_at)
        SELECT gen_random_uuid(), 'settle', n::text, '{}', now() - interval '1 hour', '', '', '', false, now()
        FROM generate_series(1, $1::int) AS n
        """,
        FINISHED,
    )
    await connection.execute("DELETE FROM outbox")
    await connection.close()


async def _compare(what: str, small: Work, large: Work, times: int) -> None:
    seconds: dict[Work, list[float]] = {small: [], large: []}
    for work in seconds:
        await _timed(work, times)
    for _ in range(ROUNDS):
        for work, measured in seconds.items():
            measured.append(await _timed(work, times))
    ratio = statistics.median(many / few for few, many in zip(seconds[small], seconds[large], strict=True))
    each = [statistics.median(measured) / times * 1000 for measured in seconds.values()]
    print(f"  {what}: {each[1]:.2f} ms against {each[0]:.2f} ms: {ratio:.2f} times (asked: at most {ASKED})")


async def _timed(work: Work, times: int) -> float:
    began = time.perf_counter()
    for _ in range(times):
        await work()
    return time.perf_counter() - began
