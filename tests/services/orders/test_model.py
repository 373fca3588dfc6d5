"""The life of an order."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from services.orders.model import (
    Closing,
    IllegalTransition,
    Money,
    Order,
    OrderId,
    OrderLine,
    OrderState,
    PaymentId,
    Sku,
    Tender,
    TenderMethod,
)
from services.orders.usecases.settling import state_reason

NOW = datetime(2026, 1, 1, tzinfo=UTC)
LATER = NOW + timedelta(seconds=1)
PAYMENT = PaymentId("payment")
TOTAL = Money("EUR", 500)
DECLINED = Closing(OrderState.REJECTED, "CARD_DECLINED")
PENDING = Order(
    id=OrderId("order"),
    state=OrderState.PENDING,
    state_reason="",
    lines=(OrderLine(Sku("A"), "One A", 2, Money("EUR", 250)),),
    tenders=(Tender(TenderMethod.CARD, "pm_card_visa", TOTAL),),
    total=TOTAL,
    placed_by="alice",
    synthetic=False,
    created_at=NOW,
    updated_at=NOW,
    reserved_until=LATER,
)


def test_an_order_is_authorized_then_completed() -> None:
    completed = PENDING.authorized([PAYMENT], LATER).completed(LATER)

    assert completed.state is OrderState.COMPLETED
    assert completed.payment_id == PAYMENT
    assert completed.updated_at == LATER


@pytest.mark.parametrize("before", [PENDING, PENDING.authorized([PAYMENT], LATER)])
def test_a_rejected_order_says_why_and_holds_no_reservation(before: Order) -> None:
    rejected = before.closed(DECLINED, LATER)

    assert (rejected.state, rejected.state_reason) == (OrderState.REJECTED, "CARD_DECLINED")
    assert rejected.reserved_until is None


def test_an_order_keeps_its_reservation_until_it_settles() -> None:
    authorized = PENDING.authorized([PAYMENT], LATER)

    assert authorized.reserved_until == LATER
    assert authorized.completed(LATER).reserved_until is None


def test_an_order_that_is_not_paid_cannot_be_completed() -> None:
    with pytest.raises(IllegalTransition):
        PENDING.completed(LATER)


def test_a_settled_order_never_moves_again() -> None:
    completed = PENDING.authorized([PAYMENT], LATER).completed(LATER)

    with pytest.raises(IllegalTransition):
        completed.closed(DECLINED, LATER)


@pytest.mark.parametrize(
    ("decline_reason", "reason"),
    [
        ("insufficient_funds", "INSUFFICIENT_FUNDS"),
        ("card_declined", "CARD_DECLINED"),
        ("generic_decline", "CARD_DECLINED"),
        ("", "CARD_DECLINED"),
        ("try again later!", "TRY_AGAIN_LATER"),
        ("x" * 100, "X" * 64),
    ],
)
def test_a_provider_s_word_becomes_our_reason(decline_reason: str, reason: str) -> None:
    assert state_reason(decline_reason) == reason
