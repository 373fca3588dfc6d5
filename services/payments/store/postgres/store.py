"""The `Store` port over one database."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from datetime import datetime

from typing_extensions import override

from servicekit.clock import MakeId
from servicekit.outbox import Outbox
from servicekit.postgres import Database, Transaction
from services.payments.model import (
    Attempt,
    GiftCard,
    Money,
    News,
    Payment,
    PaymentId,
    Posting,
    Refund,
    RefundId,
    Standing,
)
from services.payments.ports import Store, Unit
from services.payments.store.postgres import ledger, payments
from services.payments.store.postgres import news as telling


class _PostgresUnit(Unit):
    def __init__(self, transaction: Transaction, outbox: Outbox, make_id: MakeId) -> None:
        self._transaction = transaction
        self._outbox = outbox
        self._make_id = make_id
        self.added_work = False

    @override
    async def add_or_lock(self, payment: Payment) -> Payment:
        values = payments.payment_values(payment)
        if await self._transaction.execute(payments.INSERT_PAYMENT, *values):
            return payment
        return payments.payment_of(await self._transaction.fetch_one(payments.LOCK_PAYMENT, payment.id))

    @override
    async def lock(self, payment_id: PaymentId) -> Payment | None:
        record = await self._transaction.fetch_one(payments.LOCK_PAYMENT, payment_id)
        return None if record is None else payments.payment_of(record)

    @override
    async def save(self, payment: Payment) -> None:
        await self._transaction.execute(payments.UPDATE_PAYMENT, *payments.state_values(payment))

    @override
    async def claim(self, payment: Payment) -> None:
        await self._transaction.execute(payments.CLAIM_PAYMENT, *payments.claim_values(payment))

    @override
    async def add_attempt(self, attempt: Attempt) -> None:
        await self._transaction.execute(payments.INSERT_ATTEMPT, *payments.attempt_values(attempt))

    @override
    async def save_attempt(self, attempt: Attempt) -> None:
        await self._transaction.execute(
            payments.UPDATE_ATTEMPT, attempt.id, attempt.state, attempt.detail, attempt.ended_at
        )

    @override
    async def refunds(self, payment_id: PaymentId) -> list[Refund]:
        records = await self._transaction.fetch(payments.REFUNDS_OF_PAYMENT, payment_id)
        return [payments.refund_of(record) for record in records]

    @override
    async def save_refund(self, refund: Refund) -> None:
        await self._transaction.execute(payments.SAVE_REFUND, *payments.refund_values(refund))

    @override
    async def post(self, posting: Posting, now: datetime) -> None:
        await self._transaction.execute(
            ledger.POST,
            self._make_id(),
            posting.payment_id,
            now,
            posting.currency_code,
            [entry.account for entry in posting.entries],
            [entry.minor_units for entry in posting.entries],
        )

    @override
    async def add_gift_card(self, card: GiftCard) -> GiftCard:
        added = await self._transaction.execute(
            ledger.INSERT_GIFT_CARD,
            card.id,
            card.handle,
            card.issued.currency_code,
            card.issued.minor_units,
            card.balance_minor,
            card.created_at,
        )
        if added:
            return card
        return ledger.gift_card_of(await self._transaction.fetch_one(ledger.FIND_GIFT_CARD, card.id))

    @override
    async def find_gift_card(self, handle: str) -> GiftCard | None:
        record = await self._transaction.fetch_one(ledger.FIND_BY_HANDLE, handle)
        return None if record is None else ledger.gift_card_of(record)

    @override
    async def draw(self, handle: str, amount: Money) -> bool:
        drawn = await self._transaction.execute(ledger.DRAW, handle, amount.currency_code, amount.minor_units)
        return drawn == 1

    @override
    async def put_back(self, handle: str, minor_units: int) -> None:
        await self._transaction.execute(ledger.PUT_BACK, handle, minor_units)

    @override
    async def hear(self, news: News, now: datetime) -> bool:
        return await self._transaction.execute(telling.HEAR, news.event_id, now) == 1

    @override
    async def work_on(self, news: News) -> None:
        await self._outbox.add(self._transaction, telling.KIND, news.event_id, telling.payload_of(news))
        self.added_work = True


class PostgresStore(Store):
    """The payments of one database. News are jobs of its outbox."""

    def __init__(self, database: Database, outbox: Outbox, make_id: MakeId) -> None:
        self._database = database
        self._outbox = outbox
        self._make_id = make_id

    @override
    @asynccontextmanager
    async def transaction(self) -> AsyncIterator[Unit]:
        async with self._database.transaction() as transaction:
            unit = _PostgresUnit(transaction, self._outbox, self._make_id)
            yield unit
        if unit.added_work:
            self._outbox.wake()

    @override
    async def find(self, payment_id: PaymentId) -> Payment | None:
        record = await self._database.fetch_one(payments.FIND_PAYMENT, payment_id)
        return None if record is None else payments.payment_of(record)

    @override
    async def attempts(self, payment_id: PaymentId) -> list[Attempt]:
        records = await self._database.fetch(payments.ATTEMPTS_OF_PAYMENT, payment_id)
        return [payments.attempt_of(record) for record in records]

    @override
    async def lease_open_payments(self, now: datetime, until: datetime, limit: int) -> list[PaymentId]:
        records = await self._database.fetch(payments.LEASE_PAYMENTS, now, until, limit)
        return [PaymentId(record["id"]) for record in records]

    @override
    async def lease_open_refunds(
        self, now: datetime, until: datetime, limit: int
    ) -> list[tuple[PaymentId, RefundId]]:
        records = await self._database.fetch(payments.LEASE_REFUNDS, now, until, limit)
        return [(PaymentId(record["payment_id"]), RefundId(record["id"])) for record in records]

    @override
    async def standings(self) -> Mapping[PaymentId, Standing]:
        return ledger.standings_of(await self._database.fetch(ledger.STANDINGS))

    @override
    async def standings_by_the_books(self) -> Mapping[PaymentId, Standing]:
        return ledger.standings_of(await self._database.fetch(ledger.STANDINGS_BY_THE_BOOKS))

    @override
    async def gift_card_money(self) -> Mapping[str, int]:
        records = await self._database.fetch(ledger.GIFT_CARD_MONEY)
        return {record["currency_code"]: record["minor"] for record in records}

    @override
    async def gift_card_money_by_the_books(self) -> Mapping[str, int]:
        records = await self._database.fetch(ledger.GIFT_CARD_MONEY_BY_THE_BOOKS)
        return {record["currency_code"]: record["minor"] for record in records}

    @override
    async def unbalanced(self) -> Sequence[str]:
        return [record["transaction_id"] for record in await self._database.fetch(ledger.UNBALANCED)]

    @override
    async def forget_news(self, before: datetime) -> int:
        return await self._database.execute(telling.FORGET, before)
