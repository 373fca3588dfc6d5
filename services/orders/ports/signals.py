"""What others see of this service's work."""

from __future__ import annotations

from typing import Protocol

from services.orders.model import AgeCheckMethod, Money
from services.orders.ports.payments import UnsettledCause


class Signals(Protocol):
    """What this service lets others see of its work. Synthetic orders are never reported as business."""

    def order_created(self) -> None:
        """An order was accepted."""
        ...

    def order_refused(self, reason: str) -> None:
        """An order was refused; nothing of it is kept."""
        ...

    def order_completed(self, total: Money, seconds: float) -> None:
        """An order was paid, that many seconds after it was accepted."""
        ...

    def order_rejected(self, reason: str, seconds: float) -> None:
        """An order's payment or its buyer's age was refused, that many seconds after it was accepted."""
        ...

    def order_cancelled(self, reason: str, seconds: float) -> None:
        """An order was called off, that many seconds after it was accepted."""
        ...

    def order_refunded(self, amount: Money) -> None:
        """So much of a completed order went back to its buyer."""
        ...

    def age_checked(self, method: AgeCheckMethod, *, is_met: bool) -> None:
        """Somebody looked at a buyer's age."""
        ...

    def order_answered_open(self) -> None:
        """A caller had to be answered before its order was settled."""
        ...

    def payment_repeated(self, cause: UnsettledCause) -> None:
        """A payment step has to be made again; reported for synthetic orders too."""
        ...

    def dead_letter_replayed(self) -> None:
        """Somebody put work that had given up back to work."""
        ...
