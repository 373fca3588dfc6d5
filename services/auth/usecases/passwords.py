"""Password hashing: slow on purpose, so off the event loop, in threads of its own.

Argon2id (RFC 9106) with the smallest parameters that OWASP's Password Storage Cheat
Sheet still accepts: 19 MiB, 2 passes, 1 lane; some 18 ms. argon2-cffi gives up the GIL
while it works. Few threads, because each needs 19 MiB and a core; further callers wait,
and one that gives up leaves the queue.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

from argon2 import PasswordHasher
from argon2.exceptions import VerifyMismatchError
from typing_extensions import override

from servicekit.clock import Clock
from services.auth.ports import MakeSecret, Passwords, Signals

MEMORY_KIB = 19 * 1024
PASSES = 2
LANES = 1

T = TypeVar("T")


class Argon2Passwords(Passwords):
    """Hashes with Argon2id. `close()` when done."""

    def __init__(self, threads: int, make_secret: MakeSecret, clock: Clock, signals: Signals) -> None:
        self._hasher = PasswordHasher(time_cost=PASSES, memory_cost=MEMORY_KIB, parallelism=LANES)
        self._decoy = self._hasher.hash(make_secret())
        self._threads = ThreadPoolExecutor(threads, thread_name_prefix="argon2")
        self._clock = clock
        self._signals = signals

    @override
    async def hash(self, password: str) -> str:
        return await self._timed(lambda: self._hasher.hash(password))

    @override
    async def matches(self, password: str, password_hash: str | None) -> bool:
        is_match = await self._timed(lambda: self._verify(password, password_hash or self._decoy))
        return is_match and password_hash is not None

    def close(self) -> None:
        """Let hashes that run end, and start no more."""
        self._threads.shutdown(wait=False, cancel_futures=True)

    def _verify(self, password: str, password_hash: str) -> bool:
        try:
            return self._hasher.verify(password_hash, password)
        except VerifyMismatchError:
            return False

    async def _timed(self, work: Callable[[], T]) -> T:
        started = self._clock.monotonic()
        result = await asyncio.get_running_loop().run_in_executor(self._threads, work)
        self._signals.password_hashed(self._clock.monotonic() - started)
        return result
