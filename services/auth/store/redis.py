"""The throttle in Redis: one counter for each email, gone after a while.

While Redis is away nobody can sign in: an attempt that is not counted would be one of
as many as an attacker likes. Who is signed in already notices nothing, for tokens are
verified and refreshed without Redis.
"""

from __future__ import annotations

from hashlib import sha256

from redis.asyncio import Redis
from typing_extensions import override

from servicekit.redis import store_errors
from services.auth.errors import TooManyAttempts
from services.auth.ports import Throttle

ATTEMPTS = 10
"""Attempts allowed within the window. Those still in progress count too: many at once gain nothing."""
WINDOW_SECONDS = 300
"""From the first attempt. 120 guesses an hour are no use against 12 bytes, and somebody who is locked out
by another's guesses waits five minutes at most."""


class RedisThrottle(Throttle):
    """Counts in Redis, for all replicas together. Knows emails by their hash."""

    def __init__(self, redis: Redis, attempts: int = ATTEMPTS, window_seconds: int = WINDOW_SECONDS) -> None:
        self._redis = redis
        self._attempts = attempts
        self._window_seconds = window_seconds

    @override
    async def count(self, email: str) -> None:
        key = _key(email)
        with store_errors():
            async with self._redis.pipeline(transaction=True) as pipeline:
                pipeline.incr(key)
                pipeline.expire(key, self._window_seconds, nx=True)
                pipeline.pttl(key)
                count, _, left_ms = await pipeline.execute()
        if count > self._attempts:
            raise too_many_attempts(left_ms / 1000)

    @override
    async def forget(self, email: str) -> None:
        with store_errors():
            await self._redis.delete(_key(email))


def too_many_attempts(left_seconds: float) -> TooManyAttempts:
    """The refusal, with the time after which it ends."""
    return TooManyAttempts(
        "Sign-in with this email failed too often. Try again later.", retry_after_seconds=left_seconds
    )


def _key(email: str) -> str:
    return f"auth:attempts:{sha256(email.encode()).hexdigest()}"
