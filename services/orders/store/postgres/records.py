"""Rows of orders and their events, as the model has them."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from services.orders.model import (
    Closing,
    EventName,
    Money,
    Order,
    OrderEvent,
    OrderId,
    OrderLine,
    OrderState,
    PaymentId,
    Refund,
    RefundId,
    Sku,
    Tender,
    TenderMethod,
)


def order_of(row: Any) -> Order:  # noqa: ANN401 - asyncpg has no types
    """An order, from a row of `orders` with its lines, tenders and refunds as JSON."""
    currency = row["currency_code"]
    return Order(
        id=OrderId(row["id"]),
        state=OrderState(row["state"]),
        state_reason=row["state_reason"],
        lines=tuple(
            OrderLine(Sku(sku), name, quantity, Money(currency, unit_price_minor))
            for sku, name, quantity, unit_price_minor in row["lines"]
        ),
        tenders=tuple(
            Tender(TenderMethod(method), handle, Money(currency, minor), payment_id and PaymentId(payment_id))
            for method, handle, minor, payment_id in row["tenders"]
        ),
        total=Money(currency, row["total_minor"]),
        placed_by=row["placed_by"],
        synthetic=row["synthetic"],
        created_at=row["created_at"],
        updated_at=row["updated_at"],
        reserved_until=row["reserved_until"],
        till_id=row["till_id"],
        minimum_age=row["minimum_age"],
        sequence=row["sequence"],
        event=EventName(row["event"]),
        closing=_closing(row),
        refunds=tuple(
            Refund(RefundId(refund_id), tuple(shares), by, datetime.fromisoformat(at), made_at_sequence)
            for refund_id, shares, by, at, made_at_sequence in row["refunds"] or ()
        ),
    )


def event_of(row: Any) -> OrderEvent:  # noqa: ANN401 - as above
    """An event, from a row of `order_events`."""
    return OrderEvent(
        sequence=row["sequence"],
        name=EventName(row["name"]),
        at=row["at"],
        state=OrderState(row["state"]),
        state_reason=row["state_reason"],
        payment_ids=tuple(row["payment_ids"]),
    )


def _closing(row: Any) -> Closing | None:  # noqa: ANN401 - as above
    state = row["closing_state"]
    return None if state is None else Closing(OrderState(state), row["closing_reason"])
