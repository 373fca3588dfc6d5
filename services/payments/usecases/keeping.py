"""A payment's new state and what the books say of it: kept together or not at all."""

from __future__ import annotations

from datetime import datetime

from services.payments.model import Payment, posting_between
from services.payments.ports import Unit


async def keep(unit: Unit, before: Payment, after: Payment, now: datetime) -> None:
    """Keep the payment as it is now, and post the money that moved."""
    if after == before:
        return
    await unit.save(after)
    posting = posting_between(before, after)
    if posting is not None:
        await unit.post(posting, now)
