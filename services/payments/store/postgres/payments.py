"""Statements on payments, attempts and refunds, and what a row of each is."""

from __future__ import annotations

from typing import Final

from servicekit.postgres import Query, Record
from services.payments.model import (
    Attempt,
    AttemptId,
    AttemptState,
    Method,
    Money,
    Operation,
    OrderId,
    Payment,
    PaymentId,
    PaymentState,
    ProviderId,
    ProviderKey,
    Refund,
    RefundId,
    RefundState,
)

_COLUMNS: Final = (
    "id, order_id, share, method, currency_code, amount_minor, payment_method, state, decline_reason, "
    "provider_id, held_minor, captured_minor, refunded_minor, pending, pending_minor, ask_at, asks, "
    "created_at, updated_at"
)

INSERT_PAYMENT: Final = Query(
    "payments.insert",
    f"""
    INSERT INTO payments ({_COLUMNS})
    VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18, $19)
    ON CONFLICT (id) DO NOTHING
    """,  # noqa: S608 - put together from a constant
)
LOCK_PAYMENT: Final = Query("payments.lock", f"SELECT {_COLUMNS} FROM payments WHERE id = $1 FOR UPDATE")  # noqa: S608 - as above
FIND_PAYMENT: Final = Query("payments.find", f"SELECT {_COLUMNS} FROM payments WHERE id = $1")  # noqa: S608 - as above
UPDATE_PAYMENT: Final = Query(
    "payments.update",
    """
    UPDATE payments SET
        state = $2, decline_reason = $3, provider_id = $4, held_minor = $5, captured_minor = $6,
        refunded_minor = $7, pending = $8, pending_minor = $9, ask_at = $10, asks = $11, updated_at = $12
    WHERE id = $1
    """,
)
CLAIM_PAYMENT: Final = Query(
    "payments.claim",
    """
    UPDATE payments SET
        order_id = $2, share = $3, method = $4, currency_code = $5, amount_minor = $6, payment_method = $7
    WHERE id = $1 AND order_id IS NULL
    """,
)
LEASE_PAYMENTS: Final = Query(
    "payments.lease",
    """
    WITH due AS (
        SELECT id FROM payments WHERE ask_at <= $1 ORDER BY ask_at LIMIT $3 FOR UPDATE SKIP LOCKED
    )
    UPDATE payments SET ask_at = $2 FROM due WHERE payments.id = due.id RETURNING payments.id
    """,
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

SAVE_REFUND: Final = Query(
    "refunds.save",
    """
    INSERT INTO refunds
        (payment_id, id, amount_minor, state, decline_reason, provider_id, created_at, updated_at, ask_at,
         asks)
    VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)
    ON CONFLICT (payment_id, id) DO UPDATE SET
        state = $4, decline_reason = $5, provider_id = $6, updated_at = $8, ask_at = $9, asks = $10
    """,
)
REFUNDS_OF_PAYMENT: Final = Query(
    "refunds.of_payment", "SELECT * FROM refunds WHERE payment_id = $1 ORDER BY created_at, id"
)
LEASE_REFUNDS: Final = Query(
    "refunds.lease",
    """
    WITH due AS (
        SELECT payment_id, id FROM refunds WHERE ask_at <= $1 ORDER BY ask_at LIMIT $3 FOR UPDATE SKIP LOCKED
    )
    UPDATE refunds SET ask_at = $2 FROM due
    WHERE refunds.payment_id = due.payment_id AND refunds.id = due.id
    RETURNING refunds.payment_id, refunds.id
    """,
)


def payment_values(payment: Payment) -> tuple[object, ...]:
    """In the order of `INSERT_PAYMENT`."""
    return (
        *claim_values(payment),
        payment.state,
        payment.decline_reason,
        payment.provider_id,
        payment.held_minor,
        payment.captured_minor,
        payment.refunded_minor,
        payment.pending,
        payment.pending_minor,
        payment.ask_at,
        payment.asks,
        payment.created_at,
        payment.updated_at,
    )


def claim_values(payment: Payment) -> tuple[object, ...]:
    """In the order of `CLAIM_PAYMENT`."""
    return (
        payment.id,
        payment.order_id or None,
        payment.share,
        payment.method,
        payment.amount.currency_code,
        payment.amount.minor_units,
        payment.payment_method,
    )


def state_values(payment: Payment) -> tuple[object, ...]:
    """In the order of `UPDATE_PAYMENT`."""
    return (
        payment.id,
        payment.state,
        payment.decline_reason,
        payment.provider_id,
        payment.held_minor,
        payment.captured_minor,
        payment.refunded_minor,
        payment.pending,
        payment.pending_minor,
        payment.ask_at,
        payment.asks,
        payment.updated_at,
    )


def attempt_values(attempt: Attempt) -> tuple[object, ...]:
    """In the order of `INSERT_ATTEMPT`."""
    return (
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


def refund_values(refund: Refund) -> tuple[object, ...]:
    """In the order of `SAVE_REFUND`."""
    return (
        refund.payment_id,
        refund.id,
        refund.minor_units,
        refund.state,
        refund.decline_reason,
        refund.provider_id,
        refund.created_at,
        refund.updated_at,
        refund.ask_at,
        refund.asks,
    )


def payment_of(record: Record) -> Payment:
    """The payment of a row."""
    return Payment(
        id=PaymentId(record["id"]),
        order_id=OrderId(record["order_id"] or ""),
        share=record["share"],
        method=Method(record["method"]),
        amount=Money(record["currency_code"], record["amount_minor"]),
        payment_method=record["payment_method"],
        state=PaymentState(record["state"]),
        created_at=record["created_at"],
        updated_at=record["updated_at"],
        decline_reason=record["decline_reason"],
        provider_id=ProviderId(record["provider_id"]),
        held_minor=record["held_minor"],
        captured_minor=record["captured_minor"],
        refunded_minor=record["refunded_minor"],
        pending=None if record["pending"] is None else Operation(record["pending"]),
        pending_minor=record["pending_minor"],
        ask_at=record["ask_at"],
        asks=record["asks"],
    )


def attempt_of(record: Record) -> Attempt:
    """The attempt of a row."""
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


def refund_of(record: Record) -> Refund:
    """The refund of a row."""
    return Refund(
        payment_id=PaymentId(record["payment_id"]),
        id=RefundId(record["id"]),
        minor_units=record["amount_minor"],
        state=RefundState(record["state"]),
        created_at=record["created_at"],
        updated_at=record["updated_at"],
        decline_reason=record["decline_reason"],
        provider_id=ProviderId(record["provider_id"]),
        ask_at=record["ask_at"],
        asks=record["asks"],
    )
