"""What is read across all that is kept, and what others see of it."""

from __future__ import annotations

from datetime import datetime
from typing import Protocol

from services.orders.model.figures import Business, CheckedAge, Compliance, Span, Standing


class Reports(Protocol):
    """Figures of the shop, read from its own tables. Raises `StoreUnavailable`."""

    async def standing(self, now: datetime) -> Standing:
        """How the shop stands."""
        ...

    async def business(self, currency_code: str, now: datetime) -> Business:
        """How business went; in the currency of most completed orders of the day if none is named."""
        ...

    async def compliance(self, span: Span) -> Compliance:
        """The age checks of a span, counted."""
        ...

    async def age_checks(self, span: Span, limit: int) -> list[CheckedAge]:
        """Up to `limit` age checks of a span, oldest first."""
        ...


class StandingSignals(Protocol):
    """What others see of how the shop stands."""

    def stands(self, standing: Standing) -> None:
        """The shop was found to stand like this."""
        ...
