"""What payments counts and tells, as Prometheus and the logs show it."""

import json
from datetime import UTC, datetime

import pytest

from servicekit.context import RequestContext, scope
from servicekit.instruments import Instruments
from servicekit.logs import JsonLines
from services.payments.metrics import PaymentMetrics
from services.payments.model import (
    Attempt,
    AttemptId,
    Authorized,
    Declined,
    Doubt,
    Operation,
    OrderId,
    Outcome,
    Payment,
    ProviderId,
    Unknown,
)
from tests.services.payments.fakes import TEN_EUROS, VISA

NOW = datetime(2026, 11, 23, tzinfo=UTC)
ASKED = Payment.of_order(OrderId("019ab1c2-0000-7000-8000-000000000001"), TEN_EUROS, VISA, NOW).asked(
    Operation.AUTHORIZE, NOW
)


def ended(outcome: Outcome) -> Attempt:
    return Attempt.at(AttemptId("a1"), ASKED, Operation.AUTHORIZE, NOW).ended(outcome, NOW)


def counted(instruments: Instruments, outcome: str) -> float | None:
    labels = {"method": "card", "operation": "authorize", "outcome": outcome}
    return instruments.registry.get_sample_value("payment_attempts_total", labels)


@pytest.fixture
def instruments() -> Instruments:
    return Instruments("payments")


@pytest.mark.parametrize(
    ("outcome", "label"),
    [
        (Authorized(ProviderId("pi_1")), "succeeded"),
        (Declined("lost_card"), "declined"),
        (Unknown(Doubt.TIMEOUT), "unknown"),
    ],
)
def test_attempts_are_counted_and_timed_by_what_came_of_them(
    instruments: Instruments, outcome: Outcome, label: str
) -> None:
    PaymentMetrics(instruments).attempt_ended(ASKED, ended(outcome), 0.02)

    assert counted(instruments, label) == 1
    timed = {"operation": "authorize", "outcome": label, "le": "0.025"}
    assert instruments.registry.get_sample_value("payment_attempt_seconds_bucket", timed) == 1


def test_every_outcome_shows_as_zero_before_its_first_time(instruments: Instruments) -> None:
    PaymentMetrics(instruments)

    assert [counted(instruments, outcome) for outcome in ("succeeded", "declined", "unknown")] == [0, 0, 0]


def test_synthetic_payments_are_not_counted(instruments: Instruments) -> None:
    with scope(RequestContext(synthetic=True)):
        PaymentMetrics(instruments).attempt_ended(ASKED, ended(Declined("lost_card")), 0.02)

    assert counted(instruments, "declined") == 0


def test_a_missed_answer_and_a_settled_payment_are_told_without_the_card(
    instruments: Instruments, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO")
    metrics = PaymentMetrics(instruments)

    metrics.attempt_ended(ASKED, ended(Unknown(Doubt.TIMEOUT)), 5)
    metrics.payment_settled(ASKED, ASKED.settled(Authorized(ProviderId("pi_1")), NOW))

    lines = [JsonLines("payments").format(record) for record in caplog.records]
    assert [json.loads(line)["event"] for line in lines] == ["payment_answer_missed", "payment_authorized"]
    assert json.loads(lines[0])["doubt"] == "timeout"
    assert json.loads(lines[1])["provider_id"] == "pi_1"
    assert not any(VISA in line for line in lines)
