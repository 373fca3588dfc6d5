"""Where everything is kept.

The store's transaction is the only lock there is: whatever is done inside one is
kept whole or not at all.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import AbstractAsyncContextManager
from datetime import datetime
from typing import Protocol

from services.orders.model import (
    Attempt,
    Delivery,
    DeliveryId,
    Errand,
    Order,
    OrderId,
    OrderLine,
    OrderState,
    Outcome,
    Product,
    Sku,
    Stock,
)


class OrderMoved(Exception):
    """The stored order is no longer in the state that a step began from: somebody else made the step."""


class Products(Protocol):
    """The catalogue."""

    async def add(self, product: Product) -> bool:
        """Keep the product, with no stock; false if its SKU is taken."""
        ...

    async def get(self, sku: Sku) -> Product | None:
        """The product with this SKU."""
        ...

    async def named(self, skus: Sequence[Sku]) -> dict[Sku, Product]:
        """The products with these SKUs; those that are unknown are left out."""
        ...

    async def page(self, after: Sku, limit: int) -> list[Product]:
        """Up to `limit` products by SKU, from the first above `after`."""
        ...


class Inventory(Protocol):
    """How much there is of each product."""

    async def get(self, sku: Sku) -> Stock | None:
        """The stock of one product."""
        ...

    async def lock(self, sku: Sku) -> Stock | None:
        """The stock of one product, which nobody else changes until this transaction ends."""
        ...

    async def receive(self, delivery: Delivery) -> None:
        """Keep the delivery, and its stock as the stock of that product."""
        ...

    async def delivery(self, delivery_id: DeliveryId) -> Delivery | None:
        """The delivery with this id."""
        ...

    async def reserve(self, lines: Sequence[OrderLine], now: datetime) -> frozenset[Sku]:
        """Promise these units; answers the SKUs of which too little is available.

        Takes nothing of those, so the caller ends the transaction by raising. Never blocks for
        ever against another `reserve`, `release` or `consume`, whatever the order of the lines.
        """
        ...

    async def release(self, lines: Sequence[OrderLine], now: datetime) -> None:
        """Give units that were reserved back to the shop."""
        ...

    async def consume(self, lines: Sequence[OrderLine], now: datetime) -> None:
        """Hand units that were reserved to the buyer: they are no longer in the shop."""
        ...


class Orders(Protocol):
    """The orders."""

    async def add(self, order: Order) -> None:
        """Keep a new order."""
        ...

    async def get(self, order_id: OrderId) -> Order | None:
        """The order with this id; none for anything that is no id."""
        ...

    async def move(self, came_from: OrderState, order: Order) -> None:
        """Keep the order as it is after a step. Raises `OrderMoved` unless it was in `came_from`."""
        ...

    async def page(
        self, placed_by: str | None, state: OrderState | None, before: OrderId | None, limit: int
    ) -> list[Order]:
        """Up to `limit` orders, newest first, from the first older than `before`; `None` filters nothing."""
        ...

    async def settled_among(self, order_ids: Sequence[OrderId]) -> list[Order]:
        """Those of these orders that are settled."""
        ...


class Attempts(Protocol):
    """What callers attempted, by the names they gave."""

    async def claim(self, attempt: Attempt, made: str, now: datetime) -> Outcome | None:
        """Keep that this attempt makes `made`; if the name was used before, what that left instead.

        Waits for another transaction that holds the same name, so that both see one outcome. Raises
        `IdempotencyKeyInFlight` when that one does not end in time.
        """
        ...


class Errands(Protocol):
    """Orders to settle: each is worked on until it is finished, whatever dies."""

    async def add(self, order_id: OrderId) -> None:
        """Have the order worked on as soon as this transaction is kept."""
        ...

    async def finish(self, errand: Errand) -> None:
        """End the work; raises if another worker has leased it since."""
        ...


class Tables(Protocol):
    """All that is kept."""

    products: Products
    """The catalogue."""

    inventory: Inventory
    """How much there is of each product."""

    orders: Orders
    """The orders."""


class Transaction(Tables, Protocol):
    """All that is kept, to be changed whole or not at all."""

    attempts: Attempts
    """What callers attempted."""

    errands: Errands
    """Orders to settle."""


class Store(Tables, Protocol):
    """All that is kept. Reading needs no transaction. Raises `StoreUnavailable` when it does not answer."""

    def transaction(self) -> AbstractAsyncContextManager[Transaction]:
        """A transaction: kept when the block ends, undone when it raises."""
        ...
