"""What every store of the orders service promises."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest

from servicekit.clock import uuid7
from servicekit.outbox import LeaseLost
from services.orders.model import (
    Attempt,
    Closing,
    Money,
    Order,
    OrderId,
    OrderLine,
    OrderState,
    Outcome,
    PaymentId,
    Product,
    Sku,
    Tender,
    TenderMethod,
)
from services.orders.ports import OrderMoved, Transaction
from tests.services.orders.fakes import FINGERPRINT, OTHER_FINGERPRINT
from tests.services.orders.shop import PRICE, Shop

A, B = Sku("A"), Sku("B")
DECLINED = Closing(OrderState.REJECTED, "CARD_DECLINED")


class Undone(Exception):
    """What a transaction is ended with."""


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
    authorized = kept.authorized([PaymentId(uuid7())], any_shop.clock.now())

    async with any_shop.store.transaction() as tx:
        await tx.orders.move(authorized)

    assert await any_shop.store.orders.get(kept.id) == authorized


async def test_an_order_that_moved_on_is_not_moved_back(any_shop: Shop) -> None:
    await any_shop.sell("A")
    kept = order(any_shop)
    await keep(any_shop, kept)
    rejected = kept.closed(DECLINED, any_shop.clock.now())
    async with any_shop.store.transaction() as tx:
        await tx.orders.move(rejected)

    with pytest.raises(OrderMoved):
        async with any_shop.store.transaction() as tx:
            await tx.orders.move(kept.authorized([PaymentId(uuid7())], any_shop.clock.now()))

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


async def test_orders_that_moved_are_found_among_others(any_shop: Shop) -> None:
    await any_shop.sell("A")
    kept, other = order(any_shop), order(any_shop)
    await keep(any_shop, kept, other)
    rejected = kept.closed(DECLINED, any_shop.clock.now())
    async with any_shop.store.transaction() as tx:
        await tx.orders.move(rejected)

    found = await any_shop.store.orders.moved_among({other.id: 1, kept.id: 1, OrderId(uuid7()): 1})

    assert found == [rejected]
    assert await any_shop.store.orders.moved_among({kept.id: 2}) == []


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
        await tx.products.add(Product(B, "One B", PRICE, 0, any_shop.clock.now()))
        await tx.orders.add(kept)
        await tx.errands.add(kept.id)
        await tx.inventory.reserve(kept.id, kept.lines, any_shop.clock.now())
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
