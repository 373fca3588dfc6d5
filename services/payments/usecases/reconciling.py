"""Leaving no payment and no refund UNKNOWN: whoever asked may be gone, so we ask again.

Only an answer of the provider settles anything here. Asking is harmless however
often and by however many it is done, so a lease only spares work: it needs no fence.
"""

from __future__ import annotations

from datetime import timedelta
from typing import Final

from servicekit.clock import Clock
from services.payments.model import PaymentId, RefundId
from services.payments.ports import Store
from services.payments.usecases.asking import Asking, is_local

LEASE: Final = timedelta(seconds=20)
"""Longer than one asking takes, so that nobody asks for the same at once."""

Due = tuple[PaymentId, RefundId | None]
"""A payment to ask about, or a refund of it."""


class Reconciling:
    """Asks again about what is due."""

    def __init__(self, store: Store, asking: Asking, clock: Clock) -> None:
        self._store = store
        self._asking = asking
        self._clock = clock

    async def due(self, limit: int) -> list[Due]:
        """What to ask about now, leased to us."""
        now = self._clock.now()
        payments = await self._store.lease_open_payments(now, now + LEASE, limit)
        refunds = await self._store.lease_open_refunds(now, now + LEASE, limit)
        return [*((each, None) for each in payments), *refunds]

    async def resolve(self, due: Due) -> None:
        """Ask about one of them, and keep what came of it."""
        payment_id, refund_id = due
        if refund_id is None:
            await self._resolve_payment(payment_id)
        else:
            await self._resolve_refund(payment_id, refund_id)

    async def _resolve_payment(self, payment_id: PaymentId) -> None:
        async with self._store.transaction() as unit:
            payment = await unit.lock(payment_id)
            if payment is None or payment.pending is None or is_local(payment):
                return
            attempt = await self._asking.begin(unit, payment, payment.pending)
        await self._asking.pursue(payment, attempt)

    async def _resolve_refund(self, payment_id: PaymentId, refund_id: RefundId) -> None:
        async with self._store.transaction() as unit:
            payment = await unit.lock(payment_id)
            refunds = [] if payment is None else await unit.refunds(payment_id)
            refund = next((each for each in refunds if each.id == refund_id), None)
            if payment is None or refund is None or not refund.is_open:
                return
            attempt = await self._asking.begin_refund(unit, payment, refund)
        await self._asking.pursue_refund(payment, refund, attempt)
