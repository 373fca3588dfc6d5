"""What is counted, by the names that are declared."""

from __future__ import annotations

import pytest

from servicekit.instruments import Instruments
from services.orders.metrics import OrderMetrics
from services.orders.model import Money
from services.orders.ports import Signals


@pytest.fixture
def instruments() -> Instruments:
    return Instruments("orders")


def value(instruments: Instruments, name: str, **labels: str) -> float | None:
    return instruments.registry.get_sample_value(name, labels)


def test_a_paid_order_counts_with_its_value_and_time(instruments: Instruments) -> None:
    signals: Signals = OrderMetrics(instruments)

    signals.order_created()
    signals.order_completed(Money("EUR", 500), 0.2)

    assert value(instruments, "orders_created_total") == 1
    assert value(instruments, "orders_settled_total", outcome="completed") == 1
    assert value(instruments, "order_value_minor_units_total", currency="EUR") == 500
    assert value(instruments, "order_settlement_seconds_bucket", outcome="completed", le="0.25") == 1


def test_a_rejected_order_counts_by_its_reason(instruments: Instruments) -> None:
    OrderMetrics(instruments).order_rejected("INSUFFICIENT_FUNDS", 0.2)

    assert value(instruments, "orders_settled_total", outcome="rejected") == 1
    assert value(instruments, "orders_rejected_total", reason="INSUFFICIENT_FUNDS") == 1
    assert value(instruments, "order_settlement_seconds_count", outcome="rejected") == 1


@pytest.mark.parametrize(("reason", "label"), [("OUT_OF_STOCK", "OUT_OF_STOCK"), ("NEW_REASON", "other")])
def test_a_refused_order_counts_by_its_reason(instruments: Instruments, reason: str, label: str) -> None:
    OrderMetrics(instruments).order_refused(reason)

    assert value(instruments, "orders_refused_total", reason=label) == 1


def test_open_answers_and_repeated_payments_count(instruments: Instruments) -> None:
    signals = OrderMetrics(instruments)

    signals.order_answered_open()
    signals.payment_repeated("unknown")

    assert value(instruments, "orders_answered_open_total") == 1
    assert value(instruments, "order_payment_repeats_total", cause="unknown") == 1
    assert value(instruments, "order_payment_repeats_total", cause="unavailable") == 0
