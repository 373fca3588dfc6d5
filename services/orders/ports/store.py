"""Where everything is kept.

The store's transaction is the only lock there is: whatever is done inside one is
kept whole or not at all.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from datetime import datetime
from typing import Protocol

from services.orders.model import (
    AgeVerification,
    Attempt,
    DeadLetter,
    Delivery,
    DeliveryId,
    Errand,
    ErrandId,
    Movement,
    Order,
    OrderEvent,
    OrderId,
    OrderLine,
    OrderState,
    Outcome,
    Product,
    Sku,
    Stock,
)


class OrderMoved(Exception):
    """The stored order is no longer as it was when a step began: somebody else made a step."""


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

    async def reserve(self, order_id: OrderId, lines: Sequence[OrderLine], now: datetime) -> frozenset[Sku]:
        """Promise these units; answers the SKUs of which too little is available.

        Takes nothing of those, so the caller ends the transaction by raising. Never blocks for
        ever against another `reserve`, `release` or `consume`, whatever the order of the lines.
        """
        ...

    async def release(self, order_id: OrderId, lines: Sequence[OrderLine], now: datetime) -> None:
        """Give units that were reserved back to the shop."""
        ...

    async def consume(self, order_id: OrderId, lines: Sequence[OrderLine], now: datetime) -> None:
        """Hand units that were reserved to the buyer: they are no longer in the shop."""
        ...

    async def set_low_threshold(self, sku: Sku, units: int, now: datetime) -> Stock | None:
        """Have the stock of one product be low while fewer units are available; the stock after that."""
        ...

    async def movements(self, sku: Sku, before: int | None, limit: int) -> list[Movement]:
        """Up to `limit` changes of one stock, newest first, from the first numbered below `before`."""
        ...


class Orders(Protocol):
    """The orders."""

    async def add(self, order: Order) -> None:
        """Keep a new order, and its event."""
        ...

    async def get(self, order_id: OrderId) -> Order | None:
        """The order with this id; none for anything that is no id."""
        ...

    async def lock(self, order_id: OrderId) -> Order | None:
        """As `get`; nobody else changes the order until this transaction ends."""
        ...

    async def move(self, order: Order) -> None:
        """Keep the order as it is after one transition, and the event of that.

        Raises `OrderMoved` unless the event before is the stored order's last.
        """
        ...

    async def page(
        self, placed_by: str | None, state: OrderState | None, before: OrderId | None, limit: int
    ) -> list[Order]:
        """Up to `limit` orders, newest first, from the first older than `before`; `None` filters nothing."""
        ...

    async def moved_among(self, seen: Mapping[OrderId, int]) -> list[Order]:
        """Those of these orders whose last event is later than the one that was seen."""
        ...

    async def events(self, order_id: OrderId, after: int, limit: int) -> list[OrderEvent]:
        """Up to `limit` events of one order, in their order, from the first numbered above `after`."""
        ...

    async def expired(self, now: datetime, limit: int) -> list[OrderId]:
        """Up to `limit` orders whose reservation has ended and whose end is not decided."""
        ...


class AgeChecks(Protocol):
    """Who looked at which buyer's age. Nothing here is ever changed or removed."""

    async def add(self, verification: AgeVerification) -> None:
        """Keep the check."""
        ...

    async def of(self, order_id: OrderId) -> AgeVerification | None:
        """The check of one order's buyer."""
        ...


class DeadLetters(Protocol):
    """Work that gave up."""

    async def page(self, after: ErrandId | None, limit: int) -> list[DeadLetter]:
        """Up to `limit` dead letters, oldest work first, from the first after this one."""
        ...

    async def replay(self, letter_id: ErrandId) -> bool:
        """Put one back to work, with all its attempts before it; false if there is none with this id."""
        ...


class Attempts(Protocol):
    """What callers attempted, by the names they gave."""

    async def claim(self, attempt: Attempt, made: str, now: datetime) -> Outcome | None:
        """Keep that this attempt makes `made`; if the name was used before, what that left instead.

        Waits for another transaction that holds the same name, so that both see one outcome. Raises
        `IdempotencyKeyInFlight` when that one does not end in time.
        """
        ...

    async def forget(self, before: datetime, limit: int) -> int:
        """Forget up to `limit` attempts made before this moment; how many were forgotten."""
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

    age_checks: AgeChecks
    """Who looked at which buyer's age."""

    dead_letters: DeadLetters
    """Work that gave up."""


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
