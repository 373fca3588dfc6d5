"""Where experiments keep who was shown what."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Protocol

from services.orders.model import Conversion, Exposure


class Exposures(Protocol):
    """The exposures: one for each customer and experiment. Raises `StoreUnavailable`."""

    async def add(self, exposure: Exposure) -> bool:
        """Keep the exposure; false if the customer was exposed to this experiment before."""
        ...

    async def variant_of(self, experiment: str, customer: str) -> str | None:
        """The variant that this customer was shown; none before the first time."""
        ...

    async def convert(
        self, since: datetime, after: str, limit: int, now: datetime
    ) -> tuple[Sequence[Conversion], str]:
        """Look at up to `limit` customers above `after` who were exposed since then and are not converted.

        Those who have completed another order are kept as converted, each once whoever else looks.
        Answers with their conversions and the customer to go on after, which is empty at the end.
        """
        ...


class ExperimentSignals(Protocol):
    """What others see of experiments. Synthetic customers are in none of it."""

    def customer_exposed(self, experiment: str, variant: str) -> None:
        """A customer was shown a variant for the first time."""
        ...

    def customer_converted(self, experiment: str, variant: str) -> None:
        """A customer who was shown a variant has completed another order."""
        ...
