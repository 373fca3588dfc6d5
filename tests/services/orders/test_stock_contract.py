"""What every store promises of products and their stock."""

from __future__ import annotations

import asyncio
from dataclasses import replace

import pytest

from servicekit.clock import uuid7
from services.orders.model import Delivery, DeliveryId, OrderId, OrderLine, Product, Sku, Stock
from tests.services.orders.shop import PRICE, Shop

A, B = Sku("A"), Sku("B")
ORDER = OrderId(uuid7())


def product(shop: Shop, sku: Sku) -> Product:
    return Product(sku, f"One {sku}", PRICE, 18, shop.clock.now())


def line(sku: Sku, quantity: int) -> OrderLine:
    return OrderLine(sku, f"One {sku}", quantity, PRICE)


async def test_a_product_reads_back_as_it_was_added(any_shop: Shop) -> None:
    async with any_shop.store.transaction() as tx:
        added = await tx.products.add(product(any_shop, A))

    assert added
    assert await any_shop.store.products.get(A) == product(any_shop, A)
    assert await any_shop.store.inventory.get(A) == Stock(A, 0, 0, any_shop.clock.now())


async def test_a_sku_is_added_once(any_shop: Shop) -> None:
    await any_shop.sell("A", units=3)

    async with any_shop.store.transaction() as tx:
        assert not await tx.products.add(replace(product(any_shop, A), name="Another"))

    assert await any_shop.units("A") == (3, 0)


async def test_unknown_products_are_left_out(any_shop: Shop) -> None:
    await any_shop.sell("A")

    found = await any_shop.store.products.named([B, A])

    assert list(found) == [A]


async def test_products_are_paged_by_the_bytes_of_their_sku(any_shop: Shop) -> None:
    for sku in ("B", "A-1", "A", "A.1", "A_1", "A1"):
        await any_shop.sell(sku, units=0)

    page = await any_shop.store.products.page(Sku("A"), 4)

    assert [one.sku for one in page] == ["A-1", "A.1", "A1", "A_1"]


async def test_a_delivery_reads_back_and_is_the_new_stock(any_shop: Shop) -> None:
    await any_shop.sell("A", units=0)
    stock = Stock(A, 7, 0, any_shop.clock.now(), movements=1)
    delivery = Delivery(DeliveryId(uuid7()), 7, "mary", stock)

    async with any_shop.store.transaction() as tx:
        assert await tx.inventory.lock(A) is not None
        await tx.inventory.receive(delivery)

    assert await any_shop.store.inventory.delivery(delivery.id) == delivery
    assert await any_shop.store.inventory.get(A) == stock


async def test_a_reservation_takes_what_there_is_and_names_the_rest(any_shop: Shop) -> None:
    await any_shop.sell("A", units=5)
    await any_shop.sell("B", units=1)

    async with any_shop.store.transaction() as tx:
        short = await tx.inventory.reserve(
            ORDER, [line(B, 2), line(A, 5), line(Sku("UNKNOWN"), 1)], any_shop.clock.now()
        )

    assert short == {"B", "UNKNOWN"}
    assert await any_shop.units("A") == (5, 5)
    assert await any_shop.units("B") == (1, 0)


async def test_reserved_units_are_not_reserved_again(any_shop: Shop) -> None:
    await any_shop.sell("A", units=5)

    async with any_shop.store.transaction() as tx:
        assert not await tx.inventory.reserve(ORDER, [line(A, 4)], any_shop.clock.now())
    async with any_shop.store.transaction() as tx:
        assert await tx.inventory.reserve(ORDER, [line(A, 2)], any_shop.clock.now()) == {"A"}


async def test_reserved_units_are_given_back_or_handed_over(any_shop: Shop) -> None:
    await any_shop.sell("A", units=5)
    async with any_shop.store.transaction() as tx:
        await tx.inventory.reserve(ORDER, [line(A, 4)], any_shop.clock.now())

    async with any_shop.store.transaction() as tx:
        await tx.inventory.release(ORDER, [line(A, 1)], any_shop.clock.now())
        await tx.inventory.consume(ORDER, [line(A, 3)], any_shop.clock.now())

    assert await any_shop.units("A") == (2, 0)


async def test_more_cannot_be_handed_over_than_is_reserved(any_shop: Shop) -> None:
    await any_shop.sell("A", units=5)

    with pytest.raises(Exception, match="stock"):
        async with any_shop.store.transaction() as tx:
            await tx.inventory.consume(ORDER, [line(A, 1)], any_shop.clock.now())

    assert await any_shop.units("A") == (5, 0)


async def test_fifty_buyers_of_ten_units_sell_exactly_ten(any_shop: Shop) -> None:
    await any_shop.sell("A", units=10)

    async def buy() -> frozenset[Sku]:
        async with any_shop.store.transaction() as tx:
            return await tx.inventory.reserve(ORDER, [line(A, 1)], any_shop.clock.now())

    short = await asyncio.gather(*(buy() for _ in range(50)))

    assert short.count(frozenset()) == 10
    assert await any_shop.units("A") == (10, 10)


async def test_orders_of_the_same_products_the_other_way_round_do_not_block(any_shop: Shop) -> None:
    await any_shop.sell("A", units=40)
    await any_shop.sell("B", units=40)

    async def buy(*skus: Sku) -> frozenset[Sku]:
        async with any_shop.store.transaction() as tx:
            return await tx.inventory.reserve(ORDER, [line(sku, 1) for sku in skus], any_shop.clock.now())

    short = await asyncio.gather(*(buy(A, B) if n % 2 else buy(B, A) for n in range(40)))

    assert not any(short)
    assert await any_shop.units("A") == await any_shop.units("B") == (40, 40)
