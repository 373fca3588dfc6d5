"""Attempts by name in memory."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime

from typing_extensions import override

from services.orders.model import Attempt, Outcome
from services.orders.ports import Attempts
from services.orders.store.memory.kept import Kept


class MemoryAttempts(Attempts):
    """What callers attempted."""

    def __init__(self, kept: Callable[[], Kept]) -> None:
        self._kept = kept

    @override
    async def claim(self, attempt: Attempt, made: str, now: datetime) -> Outcome | None:
        name = attempt.caller, attempt.operation, attempt.key
        earlier = self._kept().attempts.get(name)
        if earlier is None:
            self._kept().attempts[name] = Outcome(attempt.fingerprint, made), now
            return None
        return earlier[0]

    @override
    async def forget(self, before: datetime, limit: int) -> int:
        attempts = self._kept().attempts
        old = [name for name, (_, made_at) in attempts.items() if made_at < before][:limit]
        for name in old:
            del attempts[name]
        return len(old)
