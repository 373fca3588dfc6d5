"""The Redis client, its bounds and its errors, against a real Valkey."""

import asyncio
import os
import signal
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from pydantic import SecretStr
from redis.asyncio import ConnectionPool, Redis
from redis.exceptions import RedisError, ResponseError

from launcher.databases import EmbeddedValkey
from servicekit.errors import StoreUnavailable
from servicekit.redis import connect, store_errors
from servicekit.settings import RedisSettings


def settings(url: str, size: int = 10) -> RedisSettings:
    return RedisSettings(redis_url=SecretStr(url), redis_pool_size=size)


@pytest.fixture
async def client(valkey_url: str) -> AsyncIterator[Redis]:
    client = connect(settings(valkey_url, size=2))
    yield client
    await client.aclose()


async def set_once(client: Redis, key: str) -> object:
    return await client.set(key, "1", nx=True, get=True)


async def ask_more_than_the_pool_holds(client: Redis) -> list[object]:
    async with asyncio.TaskGroup() as asking:
        answers = [asking.create_task(set_once(client, f"key{n}")) for n in range(8)]
    return [answer.result() for answer in answers]


async def test_values_are_text(client: Redis) -> None:
    await client.set("greeting", "grüezi")

    assert await client.get("greeting") == "grüezi"


async def test_callers_wait_for_a_connection_when_the_pool_is_empty(client: Redis) -> None:
    assert await ask_more_than_the_pool_holds(client) == [None] * 8


async def test_negative_control_a_plain_pool_fails_callers_instead(valkey_url: str) -> None:
    client = Redis.from_pool(ConnectionPool.from_url(valkey_url, max_connections=2))

    with pytest.raises(ExceptionGroup) as caught:
        await ask_more_than_the_pool_holds(client)

    assert caught.group_contains(RedisError)
    await client.aclose()


async def test_a_store_that_is_away_is_unavailable(tmp_path: Path) -> None:
    client = connect(settings(f"unix://{tmp_path}/none.sock"))

    with pytest.raises(StoreUnavailable, match="not reachable"), store_errors():
        await client.ping()

    await client.aclose()


async def test_a_frozen_store_costs_a_bounded_wait(valkey_server: EmbeddedValkey, client: Redis) -> None:
    await client.ping()
    assert valkey_server.pid is not None
    os.kill(valkey_server.pid, signal.SIGSTOP)
    try:
        async with asyncio.timeout(4):
            with pytest.raises(StoreUnavailable, match="in time"), store_errors():
                await client.ping()
    finally:
        os.kill(valkey_server.pid, signal.SIGCONT)
    assert await client.ping()


async def test_wrong_use_is_our_fault_not_the_stores(client: Redis) -> None:
    await client.set("word", "x")

    with pytest.raises(ResponseError), store_errors():
        await client.incr("word")
