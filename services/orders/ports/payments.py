"""The payments service, and what it may leave open."""

from __future__ import annotations

from typing import Literal, Protocol

from services.orders.model import Money, OrderId, Payment, PaymentId

UnsettledCause = Literal["unknown", "unavailable"]


class PaymentUnsettled(Exception):
    """Whether money moved is not known, or not yet: repeat, and compensate nothing."""

    def __init__(self, cause: UnsettledCause, message: str) -> None:
        super().__init__(message)
        self.cause = cause


class PaymentRefused(Exception):
    """The payments service will never take this payment, and holds nothing for it."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


class Payments(Protocol):
    """The payments service. Every call can be repeated: an order has one payment."""

    async def authorize(self, order_id: OrderId, amount: Money, handle: str) -> Payment:
        """Have the provider hold the amount. Raises `PaymentUnsettled` or `PaymentRefused`."""
        ...

    async def capture(self, payment_id: PaymentId) -> Payment:
        """Take the amount that is held. Raises `PaymentUnsettled`."""
        ...
