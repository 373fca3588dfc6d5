"""Payments in PostgreSQL. One row for a payment, one for each attempt; neither is ever deleted."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Final

from typing_extensions import override

from servicekit.postgres import Database, Query, Record, Transaction
from services.payments.model import (
    Attempt,
    AttemptId,
    AttemptState,
    Money,
    Operation,
    OrderId,
    Payment,
    PaymentId,
    PaymentState,
    ProviderId,
    ProviderKey,
)
from services.payments.ports import Store, Unit

_COLUMNS: Final = (
    "id, order_id, currency_code, amount_minor, payment_method, state, decline_reason, provider_id, "
    "created_at, updated_at"
)

INSERT_PAYMENT: Final = Query(
    "payments.insert",
    f"""
    INSERT INTO payments ({_COLUMNS}) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)
    ON CONFLICT (id) DO NOTHING
    """,  # noqa: S608 - put together from a constant
)
LOCK_PAYMENT: Final = Query("payments.lock", f"SELECT {_COLUMNS} FROM payments WHERE id = $1 FOR UPDATE")  # noqa: S608 - as above
FIND_PAYMENT: Final = Query("payments.find", f"SELECT {_COLUMNS} FROM payments WHERE id = $1")  # noqa: S608 - as above
UPDATE_PAYMENT: Final = Query(
    "payments.update",
    "UPDATE payments SET state = $2, decline_reason = $3, provider_id = $4, updated_at = $5 WHERE id = $1",
)
INSERT_ATTEMPT: Final = Query(
    "attempts.insert",
    """
    INSERT INTO attempts
        (id, payment_id, operation, provider_key, currency_code, amount_minor, state, detail, created_at,
         ended_at)
    VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)
    """,
)
UPDATE_ATTEMPT: Final = Query(
    "attempts.update", "UPDATE attempts SET state = $2, detail = $3, ended_at = $4 WHERE id = $1"
)
ATTEMPTS_OF_PAYMENT: Final = Query(
    "attempts.of_payment", "SELECT * FROM attempts WHERE payment_id = $1 ORDER BY created_at, id"
)


class _PostgresUnit(Unit):
    def __init__(self, transaction: Transaction) -> None:
        self._transaction = transaction

    @override
    async def add_or_lock(self, payment: Payment) -> Payment:
        if await self._transaction.execute(INSERT_PAYMENT, *_payment_values(payment)):
            return payment
        record = await self._transaction.fetch_one(LOCK_PAYMENT, payment.id)
        return _payment(record)

    @override
    async def lock(self, payment_id: PaymentId) -> Payment | None:
        record = await self._transaction.fetch_one(LOCK_PAYMENT, payment_id)
        return None if record is None else _payment(record)

    @override
    async def save(self, payment: Payment) -> None:
        await self._transaction.execute(
            UPDATE_PAYMENT,
            payment.id,
            payment.state,
            payment.decline_reason,
            payment.provider_id,
            payment.updated_at,
        )

    @override
    async def add_attempt(self, attempt: Attempt) -> None:
        await self._transaction.execute(
            INSERT_ATTEMPT,
            attempt.id,
            attempt.payment_id,
            attempt.operation,
            attempt.provider_key,
            attempt.amount.currency_code,
            attempt.amount.minor_units,
            attempt.state,
            attempt.detail,
            attempt.created_at,
            attempt.ended_at,
        )

    @override
    async def save_attempt(self, attempt: Attempt) -> None:
        await self._transaction.execute(
            UPDATE_ATTEMPT, attempt.id, attempt.state, attempt.detail, attempt.ended_at
        )


class PostgresStore(Store):
    """The payments of one database."""

    def __init__(self, database: Database) -> None:
        self._database = database

    @override
    @asynccontextmanager
    async def transaction(self) -> AsyncIterator[Unit]:
        async with self._database.transaction() as transaction:
            yield _PostgresUnit(transaction)

    @override
    async def find(self, payment_id: PaymentId) -> Payment | None:
        record = await self._database.fetch_one(FIND_PAYMENT, payment_id)
        return None if record is None else _payment(record)

    @override
    async def attempts(self, payment_id: PaymentId) -> list[Attempt]:
        return [_attempt(record) for record in await self._database.fetch(ATTEMPTS_OF_PAYMENT, payment_id)]


def _payment_values(payment: Payment) -> tuple[object, ...]:
    """In the order of `_COLUMNS`."""
    return (
        payment.id,
        payment.order_id,
        payment.amount.currency_code,
        payment.amount.minor_units,
        payment.payment_method,
        payment.state,
        payment.decline_reason,
        payment.provider_id,
        payment.created_at,
        payment.updated_at,
    )


def _payment(record: Record) -> Payment:
    return Payment(
        id=PaymentId(record["id"]),
        order_id=OrderId(record["order_id"]),
        amount=Money(record["currency_code"], record["amount_minor"]),
        payment_method=record["payment_method"],
        state=PaymentState(record["state"]),
        created_at=record["created_at"],
        updated_at=record["updated_at"],
        decline_reason=record["decline_reason"],
        provider_id=ProviderId(record["provider_id"]),
    )


def _attempt(record: Record) -> Attempt:
    return Attempt(
        id=AttemptId(record["id"]),
        payment_id=PaymentId(record["payment_id"]),
        operation=Operation(record["operation"]),
        provider_key=ProviderKey(record["provider_key"]),
        amount=Money(record["currency_code"], record["amount_minor"]),
        state=AttemptState(record["state"]),
        created_at=record["created_at"],
        detail=record["detail"],
        ended_at=record["ended_at"],
    )
