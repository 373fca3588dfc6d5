"""Work that gave up, as buried jobs of the outbox."""

from __future__ import annotations

from typing_extensions import override

from servicekit.outbox import Outbox
from servicekit.postgres import Transaction
from services.orders.model import DeadLetter, ErrandId
from services.orders.ports import DeadLetters


class PostgresDeadLetters(DeadLetters):
    """Work that gave up. Replaying needs a transaction."""

    def __init__(self, outbox: Outbox, tx: Transaction | None = None) -> None:
        self._outbox = outbox
        self._tx = tx
        self.are_replayed = False

    @override
    async def page(self, after: ErrandId | None, limit: int) -> list[DeadLetter]:
        return [
            DeadLetter(ErrandId(job.id), job.kind, job.key, job.failure, job.dead_at)
            for job in await self._outbox.dead(after, limit)
        ]

    @override
    async def replay(self, letter_id: ErrandId) -> bool:
        if self._tx is None:
            raise LookupError("a dead letter is replayed inside a transaction")
        self.are_replayed = await self._outbox.replay(self._tx, letter_id)
        return self.are_replayed
