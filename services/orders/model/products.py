"""What a shop sells, and how much of it there is."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import NewType

from services.orders.model.money import Money

Sku = NewType("Sku", str)
DeliveryId = NewType("DeliveryId", str)


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


@dataclass(frozen=True, slots=True)
class Stock:
    """The units of one product.

    Attributes:
        on_hand: Units in the shop.
        reserved: Units promised to open orders; never above `on_hand`.
    """

    sku: Sku
    on_hand: int
    reserved: int
    updated_at: datetime

    @property
    def available(self) -> int:
        """Units that can be sold."""
        return self.on_hand - self.reserved


@dataclass(frozen=True, slots=True)
class Delivery:
    """Units that arrived, and the stock right after: what a repeated restock answers with."""

    id: DeliveryId
    quantity: int
    received_by: str
    stock: Stock
