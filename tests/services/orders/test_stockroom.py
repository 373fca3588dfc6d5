"""How much there is."""

from __future__ import annotations

from dataclasses import replace

import pytest

from servicekit.clock import uuid7
from servicekit.errors import IdempotencyKeyReused, InvalidArgument
from services.orders.errors import ProductNotFound, StockTooLarge
from services.orders.model import Delivery, DeliveryId
from services.orders.usecases.stockroom import MAX_ON_HAND
from tests.services.orders.fakes import (
    FINGERPRINT,
    MANAGER,
    OTHER_FINGERPRINT,
    basket,
    called_by,
)
from tests.services.orders.shop import Shop


async def test_a_delivery_adds_to_what_is_there(shop: Shop) -> None:
    await shop.sell("A", units=10)

    with called_by(MANAGER):
        stock = await shop.stockroom.restock("A", 5, FINGERPRINT)

    assert (stock.on_hand, stock.available) == (15, 15)
    assert await shop.stock("A") == stock


async def test_repeating_a_key_restocks_once_and_answers_as_it_did(shop: Shop) -> None:
    await shop.sell("A", units=0)
    with called_by(MANAGER, "k1"):
        first = await shop.stockroom.restock("A", 5, FINGERPRINT)
    shop.clock.advance(60)
    await shop.place(basket(("A", 2)))

    with called_by(MANAGER, "k1"):
        again = await shop.stockroom.restock("A", 5, FINGERPRINT)

    assert again == first
    assert await shop.units("A") == (5, 2)


async def test_a_key_is_not_used_for_another_delivery(shop: Shop) -> None:
    await shop.sell("A", units=0)
    with called_by(MANAGER, "k1"):
        await shop.stockroom.restock("A", 5, FINGERPRINT)

    with called_by(MANAGER, "k1"), pytest.raises(IdempotencyKeyReused):
        await shop.stockroom.restock("A", 6, OTHER_FINGERPRINT)

    assert await shop.units("A") == (5, 0)


async def test_one_key_serves_two_operations(shop: Shop) -> None:
    await shop.sell("A", units=0)
    with called_by(MANAGER, "k1"):
        await shop.stockroom.restock("A", 5, FINGERPRINT)

    order = await shop.place(basket(("A", 1)), MANAGER, "k1", fingerprint=OTHER_FINGERPRINT)

    assert order.placed_by == MANAGER.subject


@pytest.mark.parametrize("quantity", [0, -1, 1_000_001])
async def test_a_quantity_that_cannot_be_delivered_is_refused(shop: Shop, quantity: int) -> None:
    await shop.sell("A", units=1)

    with called_by(MANAGER), pytest.raises(InvalidArgument):
        await shop.stockroom.restock("A", quantity, FINGERPRINT)

    assert await shop.units("A") == (1, 0)


@pytest.mark.parametrize("sku", ["B", "b", "B\x00"])
async def test_an_unknown_product_has_no_stock(shop: Shop, sku: str) -> None:
    with pytest.raises(ProductNotFound):
        await shop.stockroom.get(sku)
    with called_by(MANAGER), pytest.raises(ProductNotFound):
        await shop.stockroom.restock(sku, 1, FINGERPRINT)


async def test_more_than_can_be_counted_is_refused(shop: Shop) -> None:
    await shop.sell("A", units=0)
    await fill(shop, MAX_ON_HAND - 1)

    with called_by(MANAGER), pytest.raises(StockTooLarge):
        await shop.stockroom.restock("A", 2, FINGERPRINT)
    with called_by(MANAGER):
        await shop.stockroom.restock("A", 1, FINGERPRINT)

    assert await shop.units("A") == (MAX_ON_HAND, 0)


async def fill(shop: Shop, units: int) -> None:
    stock = replace(await shop.stock("A"), on_hand=units)
    async with shop.store.transaction() as tx:
        await tx.inventory.receive(Delivery(DeliveryId(uuid7()), units, "mary", stock))
