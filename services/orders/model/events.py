"""What happened to an order, kept with a number that has no gaps."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from services.orders.model.payments import PaymentId
from services.orders.model.states import EventName, OrderState


@dataclass(frozen=True, slots=True)
class OrderEvent:
    """One event, with all of the order that may change: the order as it was can be told from it.

    Attributes:
        sequence: Counts up from 1 within its order.
        payment_ids: The payment of each tender, as far as known then.
    """

    sequence: int
    name: EventName
    at: datetime
    state: OrderState
    state_reason: str
    payment_ids: tuple[PaymentId | None, ...]
