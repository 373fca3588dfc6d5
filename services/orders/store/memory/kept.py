"""Everything that is kept, as tables of frozen values."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime

from services.orders.model import (
    AgeVerification,
    DeadLetter,
    Delivery,
    DeliveryId,
    Errand,
    ErrandId,
    Movement,
    Order,
    OrderEvent,
    OrderId,
    Outcome,
    Product,
    Sku,
    Stock,
)


@dataclass
class Kept:
    """Everything, by its key. Values are frozen, so a shallow copy is a copy."""

    products: dict[Sku, Product] = field(default_factory=dict)
    stock: dict[Sku, Stock] = field(default_factory=dict)
    deliveries: dict[DeliveryId, Delivery] = field(default_factory=dict)
    movements: dict[tuple[Sku, int], Movement] = field(default_factory=dict)
    orders: dict[OrderId, Order] = field(default_factory=dict)
    events: dict[tuple[OrderId, int], OrderEvent] = field(default_factory=dict)
    age_checks: dict[OrderId, AgeVerification] = field(default_factory=dict)
    attempts: dict[tuple[str, str, str], tuple[Outcome, datetime]] = field(default_factory=dict)
    errands: dict[ErrandId, Errand] = field(default_factory=dict)
    dead_letters: dict[ErrandId, tuple[DeadLetter, Errand]] = field(default_factory=dict)
    leased_until: dict[ErrandId, float] = field(default_factory=dict)

    def copy(self) -> Kept:
        """As it is now: changing the one leaves the other."""
        return Kept(**{name: dict(table) for name, table in vars(self).items()})
