"""Experiments: which variant a customer gets, that it was seen, and whether it worked.

A customer keeps the variant that was shown first, whatever the flag says later. The
exposure is stored once, and so is the conversion: another completed order within
`CONVERSION_WINDOW`. Conversions are looked for beside the orders, never on their
way, so an experiment costs a sale nothing.
"""

from __future__ import annotations

from datetime import timedelta
from typing import Final

from servicekit.clock import Clock
from services.orders.model import Exposure, Order
from services.orders.ports import ExperimentSignals, Exposures, Flags

RECEIPT_LAYOUT: Final = "receipt-layout"
"""Do customers who see each position on their receipt come back more often?"""

CONVERSION_WINDOW: Final = timedelta(days=30)
"""How long after an exposure another order counts as its effect."""

LOOK_AT: Final = 1_000
"""Customers looked at in one go: a few milliseconds of the database, however many there are."""


class Experiments:
    """The experiments of the shop."""

    def __init__(self, exposures: Exposures, flags: Flags, signals: ExperimentSignals, clock: Clock) -> None:
        self._exposures = exposures
        self._flags = flags
        self._signals = signals
        self._clock = clock
        self._looked_until = ""

    async def variant(self, experiment: str, customer: str, default: str) -> str:
        """The variant that this customer has been shown, or is to be shown; `default` if no flag says."""
        kept = await self._exposures.variant_of(experiment, customer)
        return kept or self._flags.variant(experiment, customer, default)

    async def expose(self, experiment: str, variant: str, order: Order) -> None:
        """Keep that the buyer of an order is shown a variant. Synthetic buyers take no part."""
        if order.synthetic:
            return
        exposure = Exposure(experiment, order.placed_by, variant, order.id, self._clock.now())
        if await self._exposures.add(exposure):
            self._signals.customer_exposed(experiment, variant)

    async def look_for_conversions(self) -> None:
        """Look at the next customers who may have come back; after the last, at the first again."""
        now = self._clock.now()
        converted, self._looked_until = await self._exposures.convert(
            now - CONVERSION_WINDOW, self._looked_until, LOOK_AT, now
        )
        for one in converted:
            self._signals.customer_converted(one.experiment, one.variant)
