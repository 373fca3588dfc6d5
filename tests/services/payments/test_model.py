"""What may become of a payment, as pure transitions."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from services.payments.model import (
    Authorized,
    Captured,
    Declined,
    Doubt,
    Method,
    Money,
    Operation,
    OrderId,
    Outcome,
    Payment,
    PaymentState,
    Prepared,
    ProviderId,
    Released,
    Unknown,
    payment_id,
)
from tests.services.payments.fakes import TEN_EUROS, VISA

ORDER = OrderId("019ab1c2-0000-7000-8000-000000000001")
NOW = datetime(2026, 11, 23, 12, tzinfo=UTC)
LATER = NOW + timedelta(seconds=1)
PI = ProviderId("pi_1")

CREATED = Payment.of_order(ORDER, TEN_EUROS, VISA, NOW)
UNKNOWN = CREATED.asked(Operation.AUTHORIZE, NOW)
AUTHORIZED = UNKNOWN.settled(Authorized(PI), NOW)
CAPTURED = AUTHORIZED.asked(Operation.CAPTURE, NOW, 1000).settled(Captured(PI, 1000), NOW)
DECLINED = UNKNOWN.settled(Declined("lost_card"), NOW)


def test_an_order_always_has_the_same_payment_id() -> None:
    """Changing how it is made would charge every open order twice."""
    assert payment_id(ORDER) == "4dad7d69-a497-50f5-82df-88624ee743d0"


@pytest.mark.parametrize(
    ("before", "outcome", "after"),
    [
        (UNKNOWN, Authorized(PI), PaymentState.AUTHORIZED),
        (UNKNOWN, Captured(PI, 1000), PaymentState.CAPTURED),
        (UNKNOWN, Declined("lost_card"), PaymentState.DECLINED),
        (UNKNOWN, Unknown(Doubt.TIMEOUT), PaymentState.UNKNOWN),
        (AUTHORIZED, Captured(PI, 1000), PaymentState.CAPTURED),
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
    assert DECLINED.held_minor == 0
    assert not DECLINED.is_open


def test_each_share_has_its_own_payment_id() -> None:
    assert len({payment_id(ORDER, share) for share in range(20)}) == 20
    assert payment_id(ORDER, 0) == payment_id(ORDER)


def test_what_is_asked_again_is_put_off_further_each_time_but_never_for_long() -> None:
    payment = UNKNOWN
    pauses = []
    for _ in range(8):
        payment = payment.settled(Unknown(Doubt.TIMEOUT), LATER)
        assert payment.ask_at is not None
        pauses.append((payment.ask_at - LATER).total_seconds())

    assert pauses == [1, 2, 4, 8, 16, 16, 16, 16]


def test_the_name_at_the_provider_never_changes() -> None:
    prepared = UNKNOWN.settled(Prepared(PI), LATER)

    assert prepared.provider_id == PI
    assert prepared.settled(Prepared(ProviderId("pi_2")), LATER) == prepared
    assert prepared.state is PaymentState.UNKNOWN


def test_a_part_that_is_taken_lets_the_rest_go() -> None:
    taken = AUTHORIZED.asked(Operation.CAPTURE, NOW, 400).settled(Captured(PI, 400), LATER)

    assert (taken.held_minor, taken.captured_minor) == (0, 400)


@pytest.mark.parametrize("before", [UNKNOWN, AUTHORIZED, AUTHORIZED.asked(Operation.VOID, NOW)])
def test_what_the_provider_let_go_of_is_voided(before: Payment) -> None:
    after = before.settled(Released(PI), LATER)

    assert (after.state, after.held_minor, after.ask_at) == (PaymentState.VOIDED, 0, None)


@pytest.mark.parametrize("outcome", [Authorized(PI), Prepared(PI), Declined("lost_card")])
def test_news_of_before_a_void_does_not_end_it(outcome: Outcome) -> None:
    voiding = AUTHORIZED.asked(Operation.VOID, NOW)

    assert voiding.settled(outcome, LATER) == voiding


def test_parts_that_are_given_back_add_up() -> None:
    part = CAPTURED.given_back(400, LATER)
    whole = part.given_back(600, LATER)

    assert (part.state, part.refunded_minor) == (PaymentState.PARTIALLY_REFUNDED, 400)
    assert (whole.state, whole.refunded_minor) == (PaymentState.REFUNDED, 1000)


def test_the_time_of_change_is_the_time_of_the_answer() -> None:
    assert UNKNOWN.settled(Authorized(PI), LATER).updated_at == LATER
    assert UNKNOWN.settled(Unknown(Doubt.TIMEOUT), LATER).updated_at == NOW


def test_another_amount_or_card_is_another_payment() -> None:
    assert CREATED.is_same_as(CAPTURED)
    assert not CREATED.is_same_as(replace(CREATED, payment_method="pm_other"))
    assert not CREATED.is_same_as(replace(CREATED, method=Method.GIFT_CARD))
    assert not CREATED.is_same_as(replace(CREATED, amount=Money("EUR", 999)))
