"""Exposures in memory."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Final

from typing_extensions import override

from services.orders.model import Conversion, Exposure, OrderState
from services.orders.ports import Exposures
from services.orders.store.memory.kept import Kept

_SOLD: Final = {OrderState.COMPLETED, OrderState.REFUNDED, OrderState.PARTIALLY_REFUNDED}


class MemoryExposures(Exposures):
    """The exposures."""

    def __init__(self, kept: Callable[[], Kept]) -> None:
        self._kept = kept
        self._exposures: dict[tuple[str, str], Exposure] = {}
        self._converted: set[tuple[str, str]] = set()

    @override
    async def add(self, exposure: Exposure) -> bool:
        key = exposure.customer, exposure.experiment
        return self._exposures.setdefault(key, exposure) is exposure

    @override
    async def variant_of(self, experiment: str, customer: str) -> str | None:
        exposure = self._exposures.get((customer, experiment))
        return None if exposure is None else exposure.variant

    @override
    async def convert(
        self, since: datetime, after: str, limit: int, now: datetime
    ) -> tuple[Sequence[Conversion], str]:
        still_open = [
            one
            for key, one in sorted(self._exposures.items())
            if key not in self._converted and one.customer > after and one.exposed_at > since
        ]
        customers = sorted({one.customer for one in still_open})[:limit]
        done = [one for one in still_open if one.customer in customers and self._has_come_back(one)]
        self._converted |= {(one.customer, one.experiment) for one in done}
        following = customers[-1] if len(customers) == limit else ""
        return [Conversion(one.experiment, one.variant) for one in done], following

    def _has_come_back(self, exposure: Exposure) -> bool:
        return any(
            order.placed_by == exposure.customer
            and order.id != exposure.order_id
            and order.created_at >= exposure.exposed_at
            and order.state in _SOLD
            and not order.synthetic
            for order in self._kept().orders.values()
        )
