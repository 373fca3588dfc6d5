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

_METHOD = "card"
"""The only one until there are tenders of other kinds (S9)."""


class Attempt(Protocol):
    """An attempt that ended, as far as it is counted and told."""

    @property
    def payment_id(self) -> str:
        """For which payment."""
        ...

    @property
    def operation(self) -> str:
        """What the provider was asked to do."""
        ...

    @property
    def state(self) -> str:
        """SUCCEEDED, DECLINED or UNKNOWN."""
        ...

    @property
    def detail(self) -> str:
        """Why it was declined, or what is in doubt."""
        ...


class Payment(Protocol):
    """A payment whose state changed, as far as it is told."""

    @property
    def id(self) -> str:
        """UUIDv5."""
        ...

    @property
    def order_id(self) -> str:
        """The order that it pays."""
        ...

    @property
    def state(self) -> str:
        """AUTHORIZED, CAPTURED or DECLINED."""
        ...

    @property
    def provider_id(self) -> str:
        """The provider's name for it."""
        ...

    @property
    def decline_reason(self) -> str:
        """Why, for one that is DECLINED."""
        ...


class PaymentMetrics:
    """Counts attempts and times them; tells of payments that settle, and of answers that are missing."""

    def __init__(self, instruments: Instruments) -> None:
        self._attempts = instruments.counter("payment_attempts_total")
        self._seconds = instruments.histogram("payment_attempt_seconds")

    def attempt_ended(self, attempt: Attempt, seconds: float) -> None:
        """The provider was asked, and what came of it was there after so long."""
        outcome = attempt.state.lower()
        if not current().synthetic:
            self._attempts.labels(method=_METHOD, operation=attempt.operation, outcome=outcome).inc()
            self._seconds.labels(operation=attempt.operation, outcome=outcome).observe(seconds)
        if outcome == "unknown":
            log.warning(
                "payment_answer_missed",
                payment_id=attempt.payment_id,
                operation=attempt.operation,
                doubt=attempt.detail,
            )

    def payment_settled(self, payment: Payment) -> None:
        """A payment has changed its state by an answer of the provider."""
        event = f"payment_{payment.state.lower()}"
        log.info(
            event,
            payment_id=payment.id,
            order_id=payment.order_id,
            provider_id=payment.provider_id,
            decline_reason=payment.decline_reason,
        )
