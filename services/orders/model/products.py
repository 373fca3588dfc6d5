"""What a shop sells."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import NewType

from services.orders.model.money import Money

Sku = NewType("Sku", str)


@dataclass(frozen=True, slots=True)
class Product:
    """Something the shop sells. Never changed once added.

    Attributes:
        minimum_age: Years a buyer must have; 0 means anybody.
    """

    sku: Sku
    name: str
    price: Money
    minimum_age: int
    created_at: datetime
