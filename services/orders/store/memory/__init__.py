"""All that is kept, in memory: held to the same contract tests as PostgreSQL.

A transaction works on a copy that replaces what is kept when its block ends, so one
that raises leaves nothing and nobody sees half of one. Transactions run one after
the other: where PostgreSQL lets them wait for a row, here they wait for each other.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace

from typing_extensions import override

from servicekit.clock import Clock, MakeId
from services.orders.model import DeadLetter, Errand
from services.orders.ports import Store, Transaction
from services.orders.store.memory.age_checks import MemoryAgeChecks
from services.orders.store.memory.attempts import MemoryAttempts
from services.orders.store.memory.dead_letters import MemoryDeadLetters
from services.orders.store.memory.errands import MemoryErrands
from services.orders.store.memory.experiments import MemoryExposures
from services.orders.store.memory.inventory import MemoryInventory
from services.orders.store.memory.kept import Kept
from services.orders.store.memory.orders import MemoryOrders
from services.orders.store.memory.products import MemoryProducts

__all__ = ["MemoryStore"]


class _MemoryTransaction(Transaction):
    def __init__(self, kept: Kept, make_id: MakeId) -> None:
        self.products = MemoryProducts(lambda: kept)
        self.inventory = MemoryInventory(lambda: kept)
        self.orders = MemoryOrders(lambda: kept)
        self.age_checks = MemoryAgeChecks(lambda: kept)
        self.dead_letters = MemoryDeadLetters(lambda: kept)
        self.attempts = MemoryAttempts(lambda: kept)
        self.errands = MemoryErrands(lambda: kept, make_id)


class MemoryStore(Store):
    """Everything, until the process ends."""

    def __init__(self, clock: Clock, make_id: MakeId, *, lease_seconds: float = 10) -> None:
        self._clock = clock
        self._make_id = make_id
        self._lease_seconds = lease_seconds
        self._lock = asyncio.Lock()
        self._kept = Kept()
        self.products = MemoryProducts(lambda: self._kept)
        self.inventory = MemoryInventory(lambda: self._kept)
        self.orders = MemoryOrders(lambda: self._kept)
        self.age_checks = MemoryAgeChecks(lambda: self._kept)
        self.dead_letters = MemoryDeadLetters(lambda: self._kept)
        self.exposures = MemoryExposures(lambda: self._kept)

    @override
    @asynccontextmanager
    async def transaction(self) -> AsyncIterator[Transaction]:
        async with self._lock:
            kept = self._kept.copy()
            yield _MemoryTransaction(kept, self._make_id)
            self._kept = kept

    async def lease(self) -> list[Errand]:
        """Take every errand that nobody holds, for `lease_seconds`, as the outbox of servicekit would."""
        async with self._lock:
            now = self._clock.monotonic()
            free = [
                one for one in self._kept.errands.values() if self._kept.leased_until.get(one.id, now) <= now
            ]
            leased = [replace(errand, token=errand.token + 1) for errand in free]
            for errand in leased:
                self._kept.errands[errand.id] = errand
                self._kept.leased_until[errand.id] = now + self._lease_seconds
            return leased

    async def bury(self, errand: Errand, failure: str) -> None:
        """Keep an errand as dead, as the outbox of servicekit would."""
        async with self._lock:
            del self._kept.errands[errand.id]
            letter = DeadLetter(errand.id, "settle", errand.order_id, failure, self._clock.now())
            self._kept.dead_letters[errand.id] = letter, errand
