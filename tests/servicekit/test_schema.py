"""A service's own schema, migrated by a real process of its own."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

import asyncpg
import psutil
import pytest

from servicekit import schema
from servicekit.errors import StoreUnavailable
from servicekit.schema import OwnSchema

AWAY = "postgresql://orders:hunter2@127.0.0.1:1/orders"


async def reason(own: OwnSchema) -> str:
    with pytest.raises(StoreUnavailable) as refused:
        await own.probe()
    return refused.value.message


async def test_a_schema_is_missing_until_it_is_made(make_database: Callable[[str | None], str]) -> None:
    url = make_database(None)
    own = OwnSchema("orders", url)
    before = await reason(own)

    await own.run(asyncio.Event())
    await own.probe()

    connection = await asyncpg.connect(url)
    assert await connection.fetchval("SELECT to_regclass('orders') IS NOT NULL")
    await connection.close()
    assert before == "the migration has not ended"


async def test_a_migration_that_fails_says_why_without_secrets_and_is_tried_again(
    monkeypatch: pytest.MonkeyPatch, make_database: Callable[[str | None], str]
) -> None:
    monkeypatch.setattr(schema, "WAIT_SECONDS", 0)
    monkeypatch.setattr(schema, "RETRY_SECONDS", 0.05)
    own, url = OwnSchema("orders", AWAY), make_database(None)
    running = asyncio.create_task(own.run(asyncio.Event()))
    async with asyncio.timeout(20):
        while "reachable" not in (told := await reason(own)):
            await asyncio.sleep(0.05)

    own._database_url = url
    await asyncio.wait_for(running, 20)

    assert "hunter2" not in told
    await own.probe()


async def test_a_stop_ends_the_tries(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(schema, "WAIT_SECONDS", 0)
    own, stop = OwnSchema("nobody", AWAY), asyncio.Event()
    running = asyncio.create_task(own.run(stop))
    async with asyncio.timeout(20):
        while "no package services.nobody" not in await reason(own):
            await asyncio.sleep(0.05)

    stop.set()

    await asyncio.wait_for(running, 5)


async def test_a_migration_does_not_outlive_its_service() -> None:
    running = asyncio.create_task(OwnSchema("orders", AWAY).run(asyncio.Event()))
    while not migrations():
        await asyncio.sleep(0.02)
    (migrating,) = migrations()

    running.cancel()
    with pytest.raises(asyncio.CancelledError):
        await running

    assert not migrating.is_running()


def migrations() -> list[psutil.Process]:
    return [each for each in psutil.Process().children() if "servicekit.migrations" in each.cmdline()]
