"""The `Signals` port, with the instruments declared in `observability/telemetry/payments.yaml`.

Imports no model: use cases know nothing of metrics, and metrics nothing of them.
Synthetic payments are logged but not counted: the counts tell of the shop's money.
"""

from __future__ import annotations

from typing import Protocol

from servicekit.context import current
from servicekit.instruments import Instruments
from servicekit.logs import logger

log = logger(__name__)


class Attempt(Protocol):
    """An attempt that ended, as far as it is counted and told."""

    @property
    def payment_id(self) -> str:
        """For which payment."""
        ...

    @property
    def operation(self) -> str:
        """What was asked for."""
        ...

    @property
    def state(self) -> str:
        """SUCCEEDED, DECLINED or UNKNOWN."""
        ...

    @property
    def detail(self) -> str:
        """Why it was declined, or what is in doubt."""
        ...


class Money(Protocol):
    """An amount."""

    @property
    def currency_code(self) -> str:
        """ISO 4217."""
        ...


class Payment(Protocol):
    """A payment, as far as it is counted and told."""

    @property
    def id(self) -> str:
        """UUIDv5."""
        ...

    @property
    def order_id(self) -> str:
        """The order that it pays."""
        ...

    @property
    def method(self) -> str:
        """How it is paid."""
        ...

    @property
    def amount(self) -> Money:
        """How much."""
        ...

    @property
    def state(self) -> str:
        """Where it stands."""
        ...

    @property
    def provider_id(self) -> str:
        """The provider's name for it."""
        ...

    @property
    def decline_reason(self) -> str:
        """Why, for one that is DECLINED."""
        ...

    @property
    def held_minor(self) -> int:
        """What is held."""
        ...

    @property
    def captured_minor(self) -> int:
        """What was taken."""
        ...

    @property
    def refunded_minor(self) -> int:
        """What was given back."""
        ...


class PaymentMetrics:
    """Counts attempts and money; tells of payments that settle, and of answers that are missing."""

    def __init__(self, instruments: Instruments) -> None:
        self._attempts = instruments.counter("payment_attempts_total")
        self._seconds = instruments.histogram("payment_attempt_seconds")
        self._declines = instruments.counter("payment_declines_total")
        self._money = instruments.counter("payment_money_minor_total")
        self._news = instruments.counter("payment_provider_events_total")

    def attempt_ended(self, payment: Payment, attempt: Attempt, seconds: float) -> None:
        """Money was to move, and what came of it was there after so long."""
        outcome = attempt.state.lower()
        if not current().synthetic:
            self._attempts.labels(method=payment.method, operation=attempt.operation, outcome=outcome).inc()
            self._seconds.labels(operation=attempt.operation, outcome=outcome).observe(seconds)
        if outcome == "unknown":
            log.warning(
                "payment_answer_missed",
                payment_id=attempt.payment_id,
                operation=attempt.operation,
                doubt=attempt.detail,
            )

    def payment_settled(self, before: Payment, after: Payment) -> None:
        """A payment has changed its state."""
        if not current().synthetic:
            self._count_money(before, after)
        event = f"payment_{after.state.lower()}"
        log.info(
            event,
            payment_id=after.id,
            order_id=after.order_id,
            provider_id=after.provider_id,
            decline_reason=after.decline_reason,
        )

    def news_heard(self, *, is_new: bool) -> None:
        """The provider told something."""
        self._news.labels(outcome="kept" if is_new else "known").inc()

    def news_refused(self, reason: str) -> None:
        """Something claimed to come from the provider, and was not believed."""
        self._news.labels(outcome=reason.lower()).inc()
        log.warning("provider_event_refused", reason=reason)

    def _count_money(self, before: Payment, after: Payment) -> None:
        if after.decline_reason and not before.decline_reason:
            self._declines.labels(method=after.method, reason=after.decline_reason).inc()
        moved = {
            "authorized": after.held_minor - before.held_minor,
            "captured": after.captured_minor - before.captured_minor,
            "refunded": after.refunded_minor - before.refunded_minor,
            "released": before.held_minor - after.held_minor - after.captured_minor + before.captured_minor,
        }
        for movement, minor_units in moved.items():
            if minor_units > 0:
                labels = {"method": after.method, "currency": after.amount.currency_code}
                self._money.labels(movement=movement, **labels).inc(minor_units)
