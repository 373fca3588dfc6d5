"""How much there is of each product: look up, restock, see what changed it."""

from __future__ import annotations

from dataclasses import replace
from typing import Final

from servicekit.clock import Clock, MakeId
from servicekit.context import current
from servicekit.errors import FieldViolation, InvalidArgument
from services.orders.errors import ProductNotFound, StockTooLarge
from services.orders.model import Delivery, DeliveryId, Movement, Page, Sku, Stock
from services.orders.ports import Store, Transaction
from services.orders.usecases.attempts import attempt_of, made_before
from services.orders.usecases.fields import is_sku
from services.orders.usecases.paging import (
    DEFAULT_PAGE_SIZE,
    key_of,
    page_of,
    size_violations,
    token_violations,
)

MAX_DELIVERY: Final = 1_000_000
MAX_ON_HAND: Final = 2**31 - 1


class Stockroom:
    """The stock of the shop."""

    def __init__(self, store: Store, clock: Clock, make_id: MakeId) -> None:
        self._store = store
        self._clock = clock
        self._make_id = make_id

    async def get(self, sku: str) -> Stock:
        """The stock of one product."""
        return _known(await self._store.inventory.get(Sku(sku)) if is_sku(sku) else None)

    async def restock(self, sku: str, quantity: int, fingerprint: bytes) -> Stock:
        """Add delivered units; the stock right after.

        Repeating the attempt answers with the stock right after that delivery, whatever was sold since.
        """
        if not 1 <= quantity <= MAX_DELIVERY:
            fault = FieldViolation("quantity", f"must be 1 to {MAX_DELIVERY}")
            raise InvalidArgument("the delivery is not valid", violations=[fault])
        attempt = attempt_of("inventory.restock", fingerprint)
        delivery_id = DeliveryId(self._make_id())
        async with self._store.transaction() as tx:
            made = await made_before(tx, attempt, delivery_id, self._clock.now())
            if made is None:
                return await self._receive(tx, delivery_id, sku, quantity)
            delivery = await tx.inventory.delivery(DeliveryId(made))
        return _known(delivery.stock if delivery else None)

    async def warn_below(self, sku: str, units: int) -> Stock:
        """Have the stock of one product be low while fewer units are available; 0 means never."""
        if not 0 <= units <= MAX_ON_HAND:
            fault = FieldViolation("low_threshold", f"must be 0 to {MAX_ON_HAND}")
            raise InvalidArgument("the threshold is not valid", violations=[fault])
        async with self._store.transaction() as tx:
            stock = await tx.inventory.set_low_threshold(Sku(sku), units, self._clock.now())
        return _known(stock)

    async def movements(self, sku: str, page_size: int, page_token: str) -> Page[Movement]:
        """A page of what changed the stock of one product, newest first."""
        violations = [*size_violations(page_size), *token_violations(page_token, _is_number)]
        if violations:
            raise InvalidArgument("the page asked for does not exist", violations=violations)
        stock, size = await self.get(sku), page_size or DEFAULT_PAGE_SIZE
        before = int(key_of(page_token)) if page_token else None
        found = await self._store.inventory.movements(stock.sku, before, size + 1)
        return page_of(found, size, lambda movement: str(movement.number))

    async def _receive(self, tx: Transaction, delivery_id: DeliveryId, sku: str, quantity: int) -> Stock:
        before = _known(await tx.inventory.lock(Sku(sku)) if is_sku(sku) else None)
        if before.on_hand + quantity > MAX_ON_HAND:
            raise StockTooLarge(f"no more than {MAX_ON_HAND} units can be on hand")
        after = replace(
            before,
            on_hand=before.on_hand + quantity,
            movements=before.movements + 1,
            updated_at=self._clock.now(),
        )
        await tx.inventory.receive(Delivery(delivery_id, quantity, current().caller.subject, after))
        return after


def _known(stock: Stock | None) -> Stock:
    if stock is None:
        raise ProductNotFound("there is no product with this SKU")
    return stock


def _is_number(text: str) -> bool:
    return text.isdecimal() and len(text) <= len(str(MAX_ON_HAND))
