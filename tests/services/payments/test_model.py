"""What may become of a payment, as pure transitions."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from services.payments.model import (
    Authorized,
    Captured,
    Declined,
    Doubt,
    OrderId,
    Outcome,
    Payment,
    PaymentState,
    ProviderId,
    Unknown,
    payment_id,
)
from tests.services.payments.fakes import TEN_EUROS, VISA

ORDER = OrderId("019ab1c2-0000-7000-8000-000000000001")
NOW = datetime(2026, 11, 23, 12, tzinfo=UTC)
LATER = NOW + timedelta(seconds=1)
PI = ProviderId("pi_1")

CREATED = Payment.of_order(ORDER, TEN_EUROS, VISA, NOW)
UNKNOWN = CREATED.asked(NOW)
AUTHORIZED = UNKNOWN.settled(Authorized(PI), NOW)
CAPTURED = AUTHORIZED.settled(Captured(PI), NOW)
DECLINED = UNKNOWN.settled(Declined("lost_card"), NOW)


def test_an_order_always_has_the_same_payment_id() -> None:
    """Changing how it is made would charge every open order twice."""
    assert payment_id(ORDER) == "4dad7d69-a497-50f5-82df-88624ee743d0"


@pytest.mark.parametrize(
    ("before", "outcome", "after"),
    [
        (UNKNOWN, Authorized(PI), PaymentState.AUTHORIZED),
        (UNKNOWN, Captured(PI), PaymentState.CAPTURED),
        (UNKNOWN, Declined("lost_card"), PaymentState.DECLINED),
        (UNKNOWN, Unknown(Doubt.TIMEOUT), PaymentState.UNKNOWN),
        (AUTHORIZED, Captured(PI), PaymentState.CAPTURED),
    ],
)
def test_an_answer_settles_what_is_open(before: Payment, outcome: Outcome, after: PaymentState) -> None:
    assert before.settled(outcome, LATER).state is after


@pytest.mark.parametrize("outcome", [Authorized(PI), Declined("lost_card"), Unknown(Doubt.TIMEOUT)])
@pytest.mark.parametrize("settled", [AUTHORIZED, CAPTURED, DECLINED])
def test_an_answer_that_comes_late_takes_back_nothing(settled: Payment, outcome: Outcome) -> None:
    assert settled.settled(outcome, LATER) == settled


def test_a_decline_keeps_its_reason_and_no_hold() -> None:
    assert DECLINED.decline_reason == "lost_card"
    assert not DECLINED.can_be_captured
    assert not DECLINED.is_open


def test_only_what_was_held_can_be_captured() -> None:
    assert AUTHORIZED.can_be_captured
    assert AUTHORIZED.asked(LATER).can_be_captured
    assert not any(each.can_be_captured for each in (CREATED, UNKNOWN, CAPTURED, DECLINED))


def test_the_time_of_change_is_the_time_of_the_answer() -> None:
    assert UNKNOWN.settled(Authorized(PI), LATER).updated_at == LATER
    assert UNKNOWN.settled(Unknown(Doubt.TIMEOUT), LATER).updated_at == NOW


def test_another_amount_or_card_is_another_payment() -> None:
    assert CREATED.is_same_as(CAPTURED)
    assert not CREATED.is_same_as(replace(CREATED, payment_method="pm_other"))
