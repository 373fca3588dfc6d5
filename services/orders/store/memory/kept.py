"""Everything that is kept, as tables of frozen values."""

from __future__ import annotations

from dataclasses import dataclass, field

from services.orders.model import (
    Delivery,
    DeliveryId,
    Errand,
    ErrandId,
    Order,
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
    orders: dict[OrderId, Order] = field(default_factory=dict)
    attempts: dict[tuple[str, str, str], Outcome] = field(default_factory=dict)
    errands: dict[ErrandId, Errand] = field(default_factory=dict)
    leased_until: dict[ErrandId, float] = field(default_factory=dict)

    def copy(self) -> Kept:
        """As it is now: changing the one leaves the other."""
        return Kept(**{name: dict(table) for name, table in vars(self).items()})
