"""The offline queue in memory: held to the same contract tests as PostgreSQL."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from datetime import datetime
from itertools import pairwise

from typing_extensions import override

from services.orders.model.offline import (
    Conflict,
    Ending,
    Gap,
    QueueDepth,
    QueuedSale,
    TillId,
    TillReport,
    Turn,
)
from services.orders.ports.offline import Intakes, OfflineQueue, TurnLost


@dataclass(frozen=True)
class _Till:
    due_at: datetime | None = None
    token: int = 0
    forgotten_through: int = 0


@dataclass(frozen=True)
class _Sale:
    queued: QueuedSale
    received_at: datetime
    ended_at: datetime | None = None
    ending: Ending | None = None


@dataclass
class _Kept:
    tills: dict[TillId, _Till]
    sales: dict[tuple[TillId, int], _Sale]

    def of(self, till_id: TillId) -> list[_Sale]:
        """The till's sales, lowest number first."""
        return [sale for (of_till, _), sale in sorted(self.sales.items()) if of_till == till_id]


class _MemoryIntakes(Intakes):
    def __init__(self, kept: _Kept) -> None:
        self._kept = kept

    @override
    async def open(self, till_id: TillId, now: datetime) -> int:
        till = self._kept.tills.get(till_id, _Till())
        self._kept.tills[till_id] = replace(till, due_at=till.due_at or now)
        return till.forgotten_through

    @override
    async def fingerprints(self, till_id: TillId, sequences: Sequence[int]) -> dict[int, bytes]:
        kept = {sale.queued.sale.sequence: sale.queued.sale for sale in self._kept.of(till_id)}
        return {sequence: kept[sequence].fingerprint for sequence in sequences if sequence in kept}

    @override
    async def waiting(self, till_id: TillId) -> tuple[int, int]:
        waiting = [sale.queued.till_id for sale in self._kept.sales.values() if sale.ended_at is None]
        return waiting.count(till_id), len(waiting)

    @override
    async def add(self, sales: Sequence[QueuedSale], now: datetime) -> None:
        for queued in sales:
            self._kept.sales[queued.till_id, queued.sale.sequence] = _Sale(queued, now)


class MemoryOfflineQueue(OfflineQueue):
    """The offline queue, until the process ends."""

    def __init__(self) -> None:
        self._kept = _Kept({}, {})
        self._turn = asyncio.Lock()

    @override
    @asynccontextmanager
    async def transaction(self) -> AsyncIterator[Intakes]:
        async with self._turn:
            changed = _Kept(dict(self._kept.tills), dict(self._kept.sales))
            yield _MemoryIntakes(changed)
            self._kept = changed

    @override
    async def lease(self, limit: int, now: datetime, until: datetime) -> list[Turn]:
        due = [(till.due_at, till_id) for till_id, till in self._kept.tills.items() if till.due_at]
        turns = [till_id for due_at, till_id in sorted(due) if due_at <= now][:limit]
        for till_id in turns:
            till = self._kept.tills[till_id]
            self._kept.tills[till_id] = replace(till, token=till.token + 1, due_at=until)
        return [Turn(till_id, self._kept.tills[till_id].token) for till_id in turns]

    @override
    async def next(self, turn: Turn, limit: int) -> list[QueuedSale]:
        return [sale.queued for sale in self._kept.of(turn.till_id) if sale.ended_at is None][:limit]

    @override
    async def end(self, turn: Turn, sequence: int, ending: Ending, now: datetime, until: datetime) -> None:
        sale = self._kept.sales[turn.till_id, sequence]
        if not self._holds(turn) or sale.ended_at is not None:
            raise TurnLost(f"till {turn.till_id} was taken over, or its sale {sequence} has ended")
        self._kept.sales[turn.till_id, sequence] = replace(sale, ended_at=now, ending=ending)
        self._kept.tills[turn.till_id] = replace(self._kept.tills[turn.till_id], due_at=until)

    @override
    async def give_back(self, turn: Turn, due: datetime) -> None:
        async with self._turn:
            if self._holds(turn):
                waits = bool(await self.next(turn, 1))
                till = self._kept.tills[turn.till_id]
                self._kept.tills[turn.till_id] = replace(till, due_at=due if waits else None)

    @override
    async def report(self, till_id: TillId, gaps: int) -> TillReport | None:
        if till_id not in self._kept.tills:
            return None
        sales = self._kept.of(till_id)
        endings = [sale.ending for sale in sales if sale.ending]
        conflicted = sum(ending.is_conflict for ending in endings)
        forgotten = self._kept.tills[till_id].forgotten_through
        known = [forgotten, *(n for n in (sale.queued.sale.sequence for sale in sales) if n > forgotten)]
        missing = tuple(Gap(low + 1, high - 1) for low, high in pairwise(known) if high > low + 1)[:gaps]
        waiting = len(sales) - len(endings)
        return TillReport(waiting, len(endings) - conflicted, conflicted, missing, conflicts=())

    @override
    async def conflicts(self, till_id: TillId, after: int, limit: int) -> list[Conflict]:
        return [
            Conflict(sale.sequence, sale.sale_time, sale.charged, kept.ending)
            for kept in self._kept.of(till_id)
            if (sale := kept.queued.sale).sequence > after and sale.sale_time
            if kept.ending and kept.ending.is_conflict
        ][:limit]

    @override
    async def depth(self, now: datetime) -> QueueDepth:
        waiting = [
            sale.received_at
            for sale in self._kept.sales.values()
            if sale.ended_at is None and not sale.queued.synthetic
        ]
        return QueueDepth(len(waiting), (now - min(waiting, default=now)).total_seconds())

    @override
    async def forget(self, ended_before: datetime, limit: int) -> int:
        ended = [(sale.ended_at, name) for name, sale in self._kept.sales.items() if sale.ended_at]
        old = [name for ended_at, name in sorted(ended) if ended_at < ended_before][:limit]
        for till_id, sequence in old:
            del self._kept.sales[till_id, sequence]
            till = self._kept.tills[till_id]
            highest = max(till.forgotten_through, sequence)
            self._kept.tills[till_id] = replace(till, forgotten_through=highest)
        return len(old)

    def _holds(self, turn: Turn) -> bool:
        return self._kept.tills[turn.till_id].token == turn.token
