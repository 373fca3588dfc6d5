"""How much of each product there is, and everything that ever changed it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import NewType

from services.orders.model.orders import OrderId
from services.orders.model.products import Sku

DeliveryId = NewType("DeliveryId", str)


@dataclass(frozen=True, slots=True)
class Stock:
    """The units of one product.

    Attributes:
        on_hand: Units in the shop.
        reserved: Units promised to open orders; never above `on_hand`.
        low_threshold: The stock is low while fewer are available; 0 means it never is.
        movements: How often it was changed.
    """

    sku: Sku
    on_hand: int
    reserved: int
    updated_at: datetime
    low_threshold: int = 0
    movements: int = 0

    @property
    def available(self) -> int:
        """Units that can be sold."""
        return self.on_hand - self.reserved

    @property
    def is_low(self) -> bool:
        """True when somebody should order more."""
        return self.available < self.low_threshold


@dataclass(frozen=True, slots=True)
class Delivery:
    """Units that arrived, and the stock right after: what a repeated restock answers with."""

    id: DeliveryId
    quantity: int
    received_by: str
    stock: Stock


class MovementReason(StrEnum):
    """Why a stock changed."""

    DELIVERED = "DELIVERED"
    RESERVED = "RESERVED"
    RELEASED = "RELEASED"
    SOLD = "SOLD"


@dataclass(frozen=True, slots=True)
class Movement:
    """One change of one stock, and the stock right after.

    Attributes:
        number: Counts up from 1 within its product, without gaps.
        quantity: Units, above zero.
        order_id: Whose units they are; none for a delivery.
        delivery_id: How they arrived; none for an order's.
    """

    sku: Sku
    number: int
    reason: MovementReason
    quantity: int
    on_hand: int
    reserved: int
    order_id: OrderId | None
    delivery_id: DeliveryId | None
    at: datetime
