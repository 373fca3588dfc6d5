"""Orders to settle, as jobs of the outbox."""

from __future__ import annotations

from typing import Final

from typing_extensions import override

from servicekit.outbox import Outbox
from servicekit.postgres import Transaction
from services.orders.model import Errand, OrderId
from services.orders.ports import Errands

SETTLE: Final = "settle"
"""The kind of job that settles an order; its key is the order's id."""


class PostgresErrands(Errands):
    """Orders to settle."""

    def __init__(self, tx: Transaction, outbox: Outbox) -> None:
        self._tx = tx
        self._outbox = outbox
        self.are_added = False

    @override
    async def add(self, order_id: OrderId) -> None:
        await self._outbox.add(self._tx, SETTLE, order_id, {})
        self.are_added = True

    @override
    async def finish(self, errand: Errand) -> None:
        await self._outbox.finish(self._tx, errand)
