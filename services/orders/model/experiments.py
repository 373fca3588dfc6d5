"""Who was shown what, and whether they came back: one exposure for each customer and experiment."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from services.orders.model.orders import OrderId


@dataclass(frozen=True, slots=True)
class Exposure:
    """A customer was shown a variant for the first time.

    Attributes:
        experiment: The flag's name.
        order_id: The order with which it was shown: only later ones can be its effect.
    """

    experiment: str
    customer: str
    variant: str
    order_id: OrderId
    exposed_at: datetime


@dataclass(frozen=True, slots=True)
class Conversion:
    """A customer who was shown a variant has since completed another order."""

    experiment: str
    variant: str
