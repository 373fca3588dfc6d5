"""Payments in memory: a faithful fake, held to the same contract tests as PostgreSQL."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from typing_extensions import override

from services.payments.model import Attempt, AttemptId, Payment, PaymentId
from services.payments.ports import Store, Unit


class _MemoryUnit(Unit):
    """Works on copies, which the store takes over when the transaction ends well."""

    def __init__(self, payments: dict[PaymentId, Payment], attempts: dict[AttemptId, Attempt]) -> None:
        self.payments = dict(payments)
        self.made = dict(attempts)

    @override
    async def add_or_lock(self, payment: Payment) -> Payment:
        return self.payments.setdefault(payment.id, payment)

    @override
    async def lock(self, payment_id: PaymentId) -> Payment | None:
        return self.payments.get(payment_id)

    @override
    async def save(self, payment: Payment) -> None:
        self.payments[payment.id] = payment

    @override
    async def add_attempt(self, attempt: Attempt) -> None:
        self.made[attempt.id] = attempt

    @override
    async def save_attempt(self, attempt: Attempt) -> None:
        self.made[attempt.id] = attempt


class MemoryStore(Store):
    """One transaction at a time: coarser than PostgreSQL's row locks, and as safe."""

    def __init__(self) -> None:
        self._payments: dict[PaymentId, Payment] = {}
        self._attempts: dict[AttemptId, Attempt] = {}
        self._alone = asyncio.Lock()

    @override
    @asynccontextmanager
    async def transaction(self) -> AsyncIterator[Unit]:
        async with self._alone:
            unit = _MemoryUnit(self._payments, self._attempts)
            yield unit
            self._payments, self._attempts = unit.payments, unit.made

    @override
    async def find(self, payment_id: PaymentId) -> Payment | None:
        return self._payments.get(payment_id)

    @override
    async def attempts(self, payment_id: PaymentId) -> list[Attempt]:
        return [attempt for attempt in self._attempts.values() if attempt.payment_id == payment_id]
