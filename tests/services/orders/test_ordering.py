"""Orders as their buyers see them."""

from __future__ import annotations

import pytest

from servicekit.context import Caller, Role
from servicekit.errors import InvalidArgument, Refusal
from services.orders.errors import (
    CurrencyMismatch,
    MixedCurrencies,
    NeedsStaff,
    OrderNotFound,
    OrderTotalTooLarge,
    OutOfStock,
    SplitPaymentsOff,
    TendersDoNotAddUp,
    UnknownProduct,
    UnknownTill,
)
from services.orders.model import Basket, Money, OrderState, TenderMethod
from services.orders.usecases.permits import SPLIT_PAYMENTS
from tests.services.orders.fakes import (
    ALICE,
    BOB,
    CASHIER,
    DECLINED,
    MANAGER,
    VISA,
    basket,
    by_card,
    by_gift_card,
    called_by,
    euros,
    in_cash,
)
from tests.services.orders.shop import Shop

ENGINEER = Caller("erin", frozenset({Role.ENGINEER}))


async def test_a_new_order_is_pending_and_its_stock_reserved(shop: Shop) -> None:
    await shop.sell("A", units=10)

    order = await shop.place(basket(("A", 3)))

    assert (order.state, order.total) == (OrderState.PENDING, Money("EUR", 750))
    assert (order.placed_by, order.payment_id) == ("alice", None)
    assert await shop.units("A") == (10, 3)


async def test_a_paid_order_takes_its_units_out_of_the_shop(shop: Shop) -> None:
    await shop.sell("A", units=10)
    order = await shop.place(basket(("A", 3)))

    await shop.work()

    completed = await shop.order(order)
    assert completed.state is OrderState.COMPLETED
    assert completed.payment_id
    assert await shop.units("A") == (7, 0)
    assert shop.payments.charges == {order.id: 1}


async def test_a_declined_order_gives_its_units_back(shop: Shop) -> None:
    await shop.sell("A", units=10)
    order = await shop.place(basket(("A", 3), card=DECLINED))

    await shop.work()

    rejected = await shop.order(order)
    assert (rejected.state, rejected.state_reason) == (OrderState.REJECTED, "INSUFFICIENT_FUNDS")
    assert await shop.units("A") == (10, 0)
    assert not shop.payments.charges


async def test_an_order_keeps_the_order_of_its_lines(shop: Shop) -> None:
    for sku in ("A", "B", "C"):
        await shop.sell(sku)

    order = await shop.place(basket(("C", 1), ("A", 2), ("B", 3)))

    assert [line.sku for line in (await shop.order(order)).lines] == ["C", "A", "B"]


@pytest.mark.parametrize(
    ("wanted", "refusal"),
    [
        (basket(("A", 0)), InvalidArgument),
        (basket(("A", 1), ("UNKNOWN", 1)), UnknownProduct),
        (basket(("WINE", 1), ("UNKNOWN", 1)), UnknownProduct),
        (basket(("WINE", 11)), OutOfStock),
        (basket(("A", 1), tenders=(by_card(249),)), TendersDoNotAddUp),
        (basket(("A", 1), tenders=(euros(TenderMethod.CARD, VISA, 0),)), InvalidArgument),
        (basket(("DOLLAR", 1), tenders=(by_card(250),)), CurrencyMismatch),
        (basket(("A", 1), tenders=(in_cash(250),)), NeedsStaff),
        (basket(("A", 1), till_id="till-1"), NeedsStaff),
        (basket(("A", 1), ("DOLLAR", 1)), MixedCurrencies),
        (basket(("A", 1), ("GOLD", 2)), OrderTotalTooLarge),
        (basket(("A", 1), ("RARE", 2)), OutOfStock),
    ],
)
async def test_a_refused_order_leaves_nothing(shop: Shop, wanted: Basket, refusal: type[Refusal]) -> None:
    await shop.sell("A")
    await shop.sell("WINE", age=18)
    await shop.sell("DOLLAR", price=Money("USD", 250))
    await shop.sell("GOLD", price=Money("EUR", 2**62))
    await shop.sell("RARE", units=1)

    with pytest.raises(refusal):
        await shop.place(wanted, key="k1")

    assert not await shop.store.orders.page(None, None, None, 10)
    assert await shop.lease() == []
    assert [await shop.units(sku) for sku in ("A", "RARE")] == [(10, 0), (1, 0)]
    assert shop.signals.refused == [refusal.reason]
    assert (await shop.place(basket(("A", 1)), key="k1")).state is OrderState.PENDING


async def test_what_is_out_of_stock_is_named(shop: Shop) -> None:
    await shop.sell("A")
    await shop.sell("RARE", units=1)
    await shop.sell("GONE", units=0)

    with pytest.raises(OutOfStock) as refusal:
        await shop.place(basket(("RARE", 2), ("A", 1), ("GONE", 1)))

    assert refusal.value.metadata == {"sku": "RARE"}
    assert [one.field for one in refusal.value.violations] == ["lines[0].quantity", "lines[2].quantity"]


@pytest.mark.parametrize("caller", [ALICE, CASHIER, MANAGER])
async def test_an_order_is_seen_by_its_buyer_and_the_staff(shop: Shop, caller: Caller) -> None:
    await shop.sell("A")
    order = await shop.place(basket(("A", 1)))

    with called_by(caller):
        assert await shop.ordering.get(order.id) == order


@pytest.mark.parametrize("caller", [BOB, ENGINEER, Caller(service="gateway")])
async def test_another_s_order_is_not_found(shop: Shop, caller: Caller) -> None:
    await shop.sell("A")
    order = await shop.place(basket(("A", 1)))

    with called_by(caller), pytest.raises(OrderNotFound):
        await shop.ordering.get(order.id)


@pytest.mark.parametrize("order_id", ["", "no id", "01890000-0000-7000-8000-000000000000", "\x00"])
async def test_an_order_that_is_not_there_is_not_found(shop: Shop, order_id: str) -> None:
    with called_by(MANAGER), pytest.raises(OrderNotFound):
        await shop.ordering.get(order_id)


async def test_orders_are_listed_newest_first_to_the_end(shop: Shop) -> None:
    await shop.sell("A")
    placed = sorted([(await shop.place(basket(("A", 1)))).id for _ in range(5)])

    listed, token = [], ""
    with called_by(ALICE):
        for _ in range(3):
            page = await shop.ordering.list(2, token, "")
            listed += [order.id for order in page.items]
            token = page.next_token

    assert listed == placed[::-1]
    assert token == ""


async def test_customers_list_their_own_and_the_staff_all(shop: Shop) -> None:
    await shop.sell("A")
    await shop.place(basket(("A", 1)), ALICE)
    theirs = await shop.place(basket(("A", 1)), BOB)

    with called_by(BOB):
        assert [order.id for order in (await shop.ordering.list(0, "", "")).items] == [theirs.id]
    with called_by(CASHIER):
        assert len((await shop.ordering.list(0, "", "")).items) == 2


async def test_orders_are_listed_by_state(shop: Shop) -> None:
    await shop.sell("A")
    paid = await shop.place(basket(("A", 1), card=VISA))
    await shop.place(basket(("A", 1), card=DECLINED))
    await shop.work()

    with called_by(ALICE):
        page = await shop.ordering.list(0, "", "COMPLETED")

    assert [order.id for order in page.items] == [paid.id]


@pytest.mark.parametrize(
    ("page_size", "page_token", "state", "fields"),
    [
        (0, "", "99", ["state"]),
        (0, "bm8gaWQ", "", ["page_token"]),
        (1001, "!", "SOLD", ["page_size", "page_token", "state"]),
    ],
)
async def test_a_list_that_cannot_be_is_refused(
    shop: Shop, page_size: int, page_token: str, state: str, fields: list[str]
) -> None:
    with called_by(ALICE), pytest.raises(InvalidArgument) as refusal:
        await shop.ordering.list(page_size, page_token, state)

    assert [violation.field for violation in refusal.value.violations] == fields


async def test_business_is_reported(shop: Shop) -> None:
    await shop.sell("A")
    await shop.place(basket(("A", 2)))
    await shop.place(basket(("A", 1), card=DECLINED))

    await shop.work()

    assert shop.signals.created == 2
    assert shop.signals.completed == [Money("EUR", 500)]
    assert shop.signals.rejected == ["INSUFFICIENT_FUNDS"]


async def test_synthetic_orders_are_not_reported_as_business(shop: Shop) -> None:
    await shop.sell("A", units=1)
    with pytest.raises(OutOfStock):
        await shop.place(basket(("A", 2)), synthetic=True)
    order = await shop.place(basket(("A", 1)), synthetic=True)

    await shop.work()

    assert (await shop.order(order)).state is OrderState.COMPLETED
    assert (shop.signals.created, shop.signals.completed, shop.signals.refused) == (0, [], [])


async def test_the_staff_sell_for_cash_at_a_till_of_the_shop(shop: Shop) -> None:
    await shop.sell("A")

    order = await shop.place(basket(("A", 1), tenders=(in_cash(250),), till_id="till-1"), CASHIER)
    await shop.work()

    assert (order.till_id, (await shop.order(order)).state) == ("till-1", OrderState.COMPLETED)


async def test_an_unknown_till_is_refused(shop: Shop) -> None:
    await shop.sell("A")

    with pytest.raises(UnknownTill):
        await shop.place(basket(("A", 1), till_id="till-9"), CASHIER)

    assert await shop.units("A") == (10, 0)


async def test_payments_are_split_while_the_flag_is_on(shop: Shop) -> None:
    await shop.sell("A")
    split = basket(("A", 1), tenders=(by_gift_card(100), by_card(150)))
    shop.flags.off.add(SPLIT_PAYMENTS)

    with pytest.raises(SplitPaymentsOff):
        await shop.place(split)
    shop.flags.off.clear()
    order = await shop.place(split)
    await shop.work()

    paid = await shop.order(order)
    assert paid.state is OrderState.COMPLETED
    assert len(set(paid.payment_ids)) == 2
    assert shop.payments.kept(order.id) == 250
