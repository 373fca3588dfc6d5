"""Orders to settle, in memory."""

from __future__ import annotations

from collections.abc import Callable

from typing_extensions import override

from servicekit.clock import MakeId
from servicekit.outbox import LeaseLost
from services.orders.model import Errand, ErrandId, OrderId
from services.orders.ports import Errands
from services.orders.store.memory.kept import Kept


class MemoryErrands(Errands):
    """Orders to settle."""

    def __init__(self, kept: Callable[[], Kept], make_id: MakeId) -> None:
        self._kept = kept
        self._make_id = make_id

    @override
    async def add(self, order_id: OrderId) -> None:
        errand = Errand(ErrandId(self._make_id()), order_id, token=0)
        self._kept().errands[errand.id] = errand

    @override
    async def finish(self, errand: Errand) -> None:
        if self._kept().errands.get(errand.id) != errand:
            raise LeaseLost(f"errand {errand.id} was leased by another worker")
        del self._kept().errands[errand.id]
