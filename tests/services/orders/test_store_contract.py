"""What every store of the orders service promises."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from datetime import timedelta

import pytest

from servicekit.clock import uuid7
from servicekit.outbox import LeaseLost
from services.orders.model import (
    Attempt,
    Delivery,
    DeliveryId,
    Money,
    Order,
    OrderId,
    OrderLine,
    OrderState,
    Outcome,
    PaymentId,
    Product,
    Sku,
    Stock,
    Tender,
    TenderMethod,
)
from services.orders.ports import OrderMoved, Transaction
from tests.services.orders.fakes import FINGERPRINT, OTHER_FINGERPRINT
from tests.services.orders.shop import Shop

A, B = Sku("A"), Sku("B")
PRICE = Money("EUR", 250)


class Undone(Exception):
    """What a transaction is ended with."""


def product(shop: Shop, sku: Sku) -> Product:
    return Product(sku, f"One {sku}", PRICE, 18, shop.clock.now())


def line(sku: Sku, quantity: int) -> OrderLine:
    return OrderLine(sku, f"One {sku}", quantity, PRICE)


def order(shop: Shop, *lines: OrderLine, placed_by: str = "alice") -> Order:
    lines = lines or (line(A, 2),)
    total = Money("EUR", sum(one.total_minor for one in lines))
    return Order(
        id=OrderId(uuid7()),
        state=OrderState.PENDING,
        state_reason="",
        lines=lines,
        tenders=(Tender(TenderMethod.CARD, "pm_card_visa", total),),
        total=total,
        placed_by=placed_by,
        synthetic=True,
        created_at=shop.clock.now(),
        updated_at=shop.clock.now(),
        reserved_until=shop.clock.now() + timedelta(minutes=15),
    )


async def keep(shop: Shop, *orders: Order) -> None:
    async with shop.store.transaction() as tx:
        for one in orders:
            await tx.orders.add(one)


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
    stock = Stock(A, 7, 0, any_shop.clock.now())
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
            [line(B, 2), line(A, 5), line(Sku("UNKNOWN"), 1)], any_shop.clock.now()
        )

    assert short == {"B", "UNKNOWN"}
    assert await any_shop.units("A") == (5, 5)
    assert await any_shop.units("B") == (1, 0)


async def test_reserved_units_are_not_reserved_again(any_shop: Shop) -> None:
    await any_shop.sell("A", units=5)

    async with any_shop.store.transaction() as tx:
        assert not await tx.inventory.reserve([line(A, 4)], any_shop.clock.now())
    async with any_shop.store.transaction() as tx:
        assert await tx.inventory.reserve([line(A, 2)], any_shop.clock.now()) == {"A"}


async def test_reserved_units_are_given_back_or_handed_over(any_shop: Shop) -> None:
    await any_shop.sell("A", units=5)
    async with any_shop.store.transaction() as tx:
        await tx.inventory.reserve([line(A, 4)], any_shop.clock.now())

    async with any_shop.store.transaction() as tx:
        await tx.inventory.release([line(A, 1)], any_shop.clock.now())
        await tx.inventory.consume([line(A, 3)], any_shop.clock.now())

    assert await any_shop.units("A") == (2, 0)


async def test_more_cannot_be_handed_over_than_is_reserved(any_shop: Shop) -> None:
    await any_shop.sell("A", units=5)

    with pytest.raises(Exception, match="stock"):
        async with any_shop.store.transaction() as tx:
            await tx.inventory.consume([line(A, 1)], any_shop.clock.now())

    assert await any_shop.units("A") == (5, 0)


async def test_an_order_reads_back_as_it_was_kept(any_shop: Shop) -> None:
    await any_shop.sell("A")
    await any_shop.sell("B")
    kept = order(any_shop, line(B, 1), line(A, 2))

    await keep(any_shop, kept)

    assert await any_shop.store.orders.get(kept.id) == kept


async def test_an_order_moves_from_the_state_it_is_in(any_shop: Shop) -> None:
    await any_shop.sell("A")
    kept = order(any_shop)
    await keep(any_shop, kept)
    any_shop.clock.advance(1)
    authorized = kept.authorized(PaymentId(uuid7()), any_shop.clock.now())

    async with any_shop.store.transaction() as tx:
        await tx.orders.move(kept.state, authorized)

    assert await any_shop.store.orders.get(kept.id) == authorized


async def test_an_order_that_moved_on_is_not_moved_back(any_shop: Shop) -> None:
    await any_shop.sell("A")
    kept = order(any_shop)
    await keep(any_shop, kept)
    rejected = kept.rejected("CARD_DECLINED", None, any_shop.clock.now())
    async with any_shop.store.transaction() as tx:
        await tx.orders.move(kept.state, rejected)

    with pytest.raises(OrderMoved):
        async with any_shop.store.transaction() as tx:
            await tx.orders.move(kept.state, kept.authorized(PaymentId(uuid7()), any_shop.clock.now()))

    assert await any_shop.store.orders.get(kept.id) == rejected


@pytest.mark.parametrize("order_id", ["", "no id", "01890000-0000-7000-8000-000000000000"])
async def test_there_is_no_order_without_its_id(any_shop: Shop, order_id: str) -> None:
    assert await any_shop.store.orders.get(OrderId(order_id)) is None


async def test_orders_are_paged_newest_first_by_buyer_and_state(any_shop: Shop) -> None:
    await any_shop.sell("A")
    first, second, third = sorted([order(any_shop) for _ in range(3)], key=lambda one: one.id)
    second = replace(second, placed_by="bob")
    await keep(any_shop, first, second, third)
    orders = any_shop.store.orders

    assert await orders.page(None, None, None, 2) == [third, second]
    assert await orders.page(None, None, second.id, 2) == [first]
    assert await orders.page("alice", None, None, 9) == [third, first]
    assert await orders.page("alice", OrderState.PENDING, third.id, 9) == [first]
    assert await orders.page(None, OrderState.COMPLETED, None, 9) == []


async def test_settled_orders_are_found_among_others(any_shop: Shop) -> None:
    await any_shop.sell("A")
    kept, other = order(any_shop), order(any_shop)
    await keep(any_shop, kept, other)
    rejected = kept.rejected("CARD_DECLINED", None, any_shop.clock.now())
    async with any_shop.store.transaction() as tx:
        await tx.orders.move(kept.state, rejected)

    found = await any_shop.store.orders.settled_among([other.id, kept.id, OrderId(uuid7())])

    assert found == [rejected]


async def test_a_name_is_claimed_once_by_caller_operation_and_key(any_shop: Shop) -> None:
    attempt = Attempt("alice", "orders.create", "k1", FINGERPRINT)
    now = any_shop.clock.now()
    async with any_shop.store.transaction() as tx:
        assert await tx.attempts.claim(attempt, "one", now) is None

    async with any_shop.store.transaction() as tx:
        repeated = await tx.attempts.claim(replace(attempt, fingerprint=OTHER_FINGERPRINT), "two", now)
        others = [
            await tx.attempts.claim(replace(attempt, caller="bob"), "three", now),
            await tx.attempts.claim(replace(attempt, operation="products.create"), "four", now),
            await tx.attempts.claim(replace(attempt, key="k2"), "five", now),
        ]

    assert repeated == Outcome(FINGERPRINT, "one")
    assert others == [None, None, None]


async def test_a_transaction_that_raises_leaves_nothing(any_shop: Shop) -> None:
    await any_shop.sell("A", units=5)
    kept, attempt = order(any_shop), Attempt("alice", "orders.create", "k1", FINGERPRINT)

    async def change_everything(tx: Transaction) -> None:
        await tx.attempts.claim(attempt, kept.id, any_shop.clock.now())
        await tx.products.add(product(any_shop, B))
        await tx.orders.add(kept)
        await tx.errands.add(kept.id)
        await tx.inventory.reserve(kept.lines, any_shop.clock.now())
        raise Undone

    with pytest.raises(Undone):
        async with any_shop.store.transaction() as tx:
            await change_everything(tx)

    assert await any_shop.store.orders.get(kept.id) is None
    assert await any_shop.store.products.get(B) is None
    assert await any_shop.units("A") == (5, 0)
    assert await any_shop.lease() == []
    async with any_shop.store.transaction() as tx:
        assert await tx.attempts.claim(attempt, "another", any_shop.clock.now()) is None


async def test_nobody_sees_half_a_transaction(any_shop: Shop) -> None:
    await any_shop.sell("A")
    kept = order(any_shop)

    async with any_shop.store.transaction() as tx:
        await tx.orders.add(kept)
        seen_outside = await any_shop.store.orders.get(kept.id)
        seen_inside = await tx.orders.get(kept.id)

    assert seen_outside is None
    assert seen_inside == kept


async def test_an_errand_is_held_by_one_worker_until_its_lease_ends(any_shop: Shop) -> None:
    await any_shop.sell("A")
    kept = order(any_shop)
    async with any_shop.store.transaction() as tx:
        await tx.orders.add(kept)
        await tx.errands.add(kept.id)

    (first,) = await any_shop.lease()
    assert await any_shop.lease() == []
    any_shop.expire()
    (second,) = await any_shop.lease()

    assert (first.order_id, first.id) == (kept.id, second.id)
    assert second.token > first.token


async def test_only_the_newest_lease_finishes_an_errand(any_shop: Shop) -> None:
    async with any_shop.store.transaction() as tx:
        await tx.errands.add(OrderId(uuid7()))
    (zombie,) = await any_shop.lease()
    any_shop.expire()
    (holder,) = await any_shop.lease()

    with pytest.raises(LeaseLost):
        async with any_shop.store.transaction() as tx:
            await tx.errands.finish(zombie)
    async with any_shop.store.transaction() as tx:
        await tx.errands.finish(holder)

    any_shop.expire()
    assert await any_shop.lease() == []


async def test_fifty_buyers_of_ten_units_sell_exactly_ten(any_shop: Shop) -> None:
    await any_shop.sell("A", units=10)

    async def buy() -> frozenset[Sku]:
        async with any_shop.store.transaction() as tx:
            return await tx.inventory.reserve([line(A, 1)], any_shop.clock.now())

    short = await asyncio.gather(*(buy() for _ in range(50)))

    assert short.count(frozenset()) == 10
    assert await any_shop.units("A") == (10, 10)


async def test_orders_of_the_same_products_the_other_way_round_do_not_block(any_shop: Shop) -> None:
    await any_shop.sell("A", units=40)
    await any_shop.sell("B", units=40)

    async def buy(*skus: Sku) -> frozenset[Sku]:
        async with any_shop.store.transaction() as tx:
            return await tx.inventory.reserve([line(sku, 1) for sku in skus], any_shop.clock.now())

    short = await asyncio.gather(*(buy(A, B) if n % 2 else buy(B, A) for n in range(40)))

    assert not any(short)
    assert await any_shop.units("A") == await any_shop.units("B") == (40, 40)
