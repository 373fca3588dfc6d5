"""What every throttle promises, held to each of them."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass

import pytest
from redis.asyncio import Redis

from servicekit.clock import ManualClock
from servicekit.errors import StoreUnavailable
from servicekit.redis import connect
from servicekit.settings import RedisSettings
from services.auth.errors import TooManyAttempts
from services.auth.ports import Throttle
from services.auth.store.memory import MemoryThrottle
from services.auth.store.redis import RedisThrottle

WINDOW_SECONDS = 1


@dataclass
class Case:
    throttle: Throttle
    let_window_pass: Callable[[], Awaitable[None]]


@pytest.fixture
async def redis(valkey_url: str) -> AsyncIterator[Redis]:
    redis = connect(RedisSettings(redis_url=valkey_url))
    yield redis
    await redis.aclose()


def memory_case() -> Case:
    clock = ManualClock()

    async def pass_window() -> None:
        clock.advance(WINDOW_SECONDS)

    return Case(MemoryThrottle(clock, attempts=3, window_seconds=WINDOW_SECONDS), pass_window)


def redis_case(redis: Redis) -> Case:
    async def pass_window() -> None:
        await asyncio.sleep(WINDOW_SECONDS + 0.05)

    return Case(RedisThrottle(redis, attempts=3, window_seconds=WINDOW_SECONDS), pass_window)


@pytest.fixture(params=["memory", "redis"])
def case(request: pytest.FixtureRequest) -> Case:
    return memory_case() if request.param == "memory" else redis_case(request.getfixturevalue("redis"))


async def test_attempts_beyond_the_limit_are_refused_with_a_time(case: Case) -> None:
    for _ in range(3):
        await case.throttle.count("a@example.com")

    with pytest.raises(TooManyAttempts) as refused:
        await case.throttle.count("a@example.com")

    assert refused.value.retry_after_seconds is not None
    assert 0 < refused.value.retry_after_seconds <= WINDOW_SECONDS


async def test_another_email_has_its_own_count(case: Case) -> None:
    for _ in range(3):
        await case.throttle.count("a@example.com")

    await case.throttle.count("b@example.com")


async def test_attempts_at_once_are_all_counted(case: Case) -> None:
    outcomes = await asyncio.gather(
        *(case.throttle.count("a@example.com") for _ in range(10)), return_exceptions=True
    )

    assert sum(isinstance(outcome, TooManyAttempts) for outcome in outcomes) == 7


async def test_a_forgotten_count_starts_anew(case: Case) -> None:
    for _ in range(3):
        await case.throttle.count("a@example.com")
    await case.throttle.forget("a@example.com")

    await case.throttle.count("a@example.com")


async def test_refused_attempts_do_not_prolong_the_wait(case: Case) -> None:
    for _ in range(3):
        await case.throttle.count("a@example.com")
    with pytest.raises(TooManyAttempts):
        await case.throttle.count("a@example.com")

    await case.let_window_pass()

    await case.throttle.count("a@example.com")


async def test_emails_are_not_written_to_redis(redis: Redis) -> None:
    await RedisThrottle(redis).count("a@example.com")

    assert "example" not in str(await redis.keys())


async def test_while_redis_is_away_no_attempt_is_allowed() -> None:
    redis = connect(RedisSettings(redis_url="unix:///nowhere/at/all"))

    with pytest.raises(StoreUnavailable):
        await RedisThrottle(redis).count("a@example.com")
    await redis.aclose()
