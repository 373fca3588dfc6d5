"""Age checks in memory."""

from __future__ import annotations

from collections.abc import Callable

from typing_extensions import override

from services.orders.model import AgeVerification, OrderId
from services.orders.ports import AgeChecks
from services.orders.store.memory.kept import Kept


class MemoryAgeChecks(AgeChecks):
    """Who looked at which buyer's age."""

    def __init__(self, kept: Callable[[], Kept]) -> None:
        self._kept = kept

    @override
    async def add(self, verification: AgeVerification) -> None:
        if verification.order_id in self._kept().age_checks:
            raise ValueError(f"the buyer of order {verification.order_id} was checked before")
        self._kept().age_checks[verification.order_id] = verification

    @override
    async def of(self, order_id: OrderId) -> AgeVerification | None:
        return self._kept().age_checks.get(order_id)
