"""The payments service, and what it may leave open."""

from __future__ import annotations

from typing import Literal, Protocol

from services.orders.model import Money, OrderId, Payment, PaymentId, RefundId, Tender

UnsettledCause = Literal["unknown", "unavailable"]


class PaymentUnsettled(Exception):
    """Whether money moved is not known, or not yet: repeat, and compensate nothing."""

    def __init__(self, cause: UnsettledCause, message: str) -> None:
        super().__init__(message)
        self.cause = cause


class PaymentRefused(Exception):
    """The payments service will never do this, and has not done it."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


class PaymentTaken(Exception):
    """The money is ours already: it can be given back, but no longer let go of."""


class Payments(Protocol):
    """The payments service. Every call can be repeated: each share of an order has one payment."""

    def id_of(self, order_id: OrderId, share: int) -> PaymentId:
        """The payment of one share, whether or not anybody has asked for it yet."""
        ...

    async def authorize(self, order_id: OrderId, share: int, tender: Tender) -> Payment:
        """Have the amount of one share held. Raises `PaymentUnsettled` or `PaymentRefused`."""
        ...

    async def capture(self, payment_id: PaymentId) -> Payment:
        """Take the amount that is held. Raises `PaymentUnsettled`, or `PaymentRefused` if it is not held."""
        ...

    async def void(self, payment_id: PaymentId) -> Payment:
        """Let go of the amount, now or whenever it would be held.

        Raises `PaymentUnsettled`, or `PaymentTaken` once it is ours.
        """
        ...

    async def refund(self, payment_id: PaymentId, amount: Money, refund_id: RefundId) -> Payment:
        """Give back some of what was taken, once for each `refund_id`.

        Raises `PaymentUnsettled`, or `PaymentRefused` for more than there is to give back.
        """
        ...
