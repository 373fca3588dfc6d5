"""What a receipt says, who may see it, and whose look at one counts."""

from __future__ import annotations

import pytest

from servicekit.context import Caller
from services.orders.errors import NoReceiptYet, OrderNotFound
from services.orders.model import Money
from services.orders.store.memory import MemoryStore
from services.orders.usecases.experiments import RECEIPT_LAYOUT
from services.orders.usecases.receipts import WIDTH, Receipts, amount
from tests.services.orders.fakes import ALICE, BOB, MANAGER, basket, called_by
from tests.services.orders.shop import Shop
from tests.services.orders.test_experiments import Laboratory


@pytest.fixture
async def laboratory(shop: Shop) -> Laboratory:
    assert isinstance(shop.store, MemoryStore)
    await shop.sell("A", units=100, price=Money("EUR", 250))
    return Laboratory(shop, shop.store.exposures)


async def printed(laboratory: Laboratory, order_id: str, caller: Caller = ALICE) -> list[str]:
    with called_by(caller):
        return (await Receipts(laboratory.shop.store.orders, laboratory.experiments).print(order_id)).split(
            "\n"
        )


async def test_an_itemized_receipt_names_each_position_and_the_total(laboratory: Laboratory) -> None:
    order = await laboratory.shop.place(basket(("A", 2)))
    await laboratory.shop.work()

    lines = await printed(laboratory, order.id)

    assert f"Order {order.id}" in lines
    assert lines[4:6] == ["One A", f"{'  2 x 2.50':<36}5.00"]
    assert f"{'Total':<32}EUR 5.00" in lines
    assert all(len(line) <= max(WIDTH, len(f"Order {order.id}")) for line in lines)


async def test_a_plain_receipt_names_the_total_alone(laboratory: Laboratory) -> None:
    laboratory.flags.variants[RECEIPT_LAYOUT] = "plain"
    order = await laboratory.sold()

    lines = await printed(laboratory, order.id)

    assert "One A" not in lines
    assert f"{'Total':<32}EUR 2.50" in lines


async def test_only_buyers_who_look_at_their_own_receipt_take_part(laboratory: Laboratory) -> None:
    order = await laboratory.sold()

    await printed(laboratory, order.id, MANAGER)
    assert laboratory.signals.exposed == {}
    await printed(laboratory, order.id)

    assert laboratory.signals.exposed == {"itemized": 1}


async def test_somebody_elses_receipt_is_not_found(laboratory: Laboratory) -> None:
    order = await laboratory.sold()

    with pytest.raises(OrderNotFound):
        await printed(laboratory, order.id, BOB)
    with pytest.raises(OrderNotFound):
        await printed(laboratory, "no id")


async def test_there_is_no_receipt_before_the_end(laboratory: Laboratory) -> None:
    order = await laboratory.shop.place(basket(("A", 1)))

    with pytest.raises(NoReceiptYet, match="PENDING"):
        await printed(laboratory, order.id)


@pytest.mark.parametrize(
    ("money", "text"),
    [
        (Money("EUR", 5), "0.05"),
        (Money("EUR", 123456), "1234.56"),
        (Money("JPY", 500), "500"),
        (Money("BHD", 1), "0.001"),
    ],
)
def test_an_amount_has_the_digits_of_its_currency(money: Money, text: str) -> None:
    assert amount(money) == text
