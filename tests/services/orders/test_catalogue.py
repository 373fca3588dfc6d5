"""What the shop sells."""

from __future__ import annotations

import pytest

from servicekit.errors import IdempotencyKeyReused, InvalidArgument
from services.orders.errors import ProductNotFound, SkuTaken
from services.orders.model import Money
from tests.services.orders.fakes import FINGERPRINT, MANAGER, OTHER_FINGERPRINT, called_by
from tests.services.orders.shop import Shop

PRICE = Money("EUR", 250)


async def test_a_product_is_added_with_no_stock(shop: Shop) -> None:
    await shop.sell("A", units=0, age=18)

    product = await shop.catalogue.get("A")
    assert (product.name, product.price, product.minimum_age) == ("One A", PRICE, 18)
    assert await shop.units("A") == (0, 0)


async def test_a_known_sku_is_taken(shop: Shop) -> None:
    await shop.sell("A")

    with called_by(MANAGER), pytest.raises(SkuTaken):
        await shop.catalogue.add("A", "Another", PRICE, 0, FINGERPRINT)

    assert (await shop.catalogue.get("A")).name == "One A"


async def test_repeating_a_key_answers_with_the_product_it_added(shop: Shop) -> None:
    with called_by(MANAGER, "k1"):
        first = await shop.catalogue.add("A", "One A", PRICE, 0, FINGERPRINT)
    shop.clock.advance(60)

    with called_by(MANAGER, "k1"):
        again = await shop.catalogue.add("A", "One A", PRICE, 0, FINGERPRINT)

    assert again == first


async def test_a_key_is_not_used_for_another_product(shop: Shop) -> None:
    with called_by(MANAGER, "k1"):
        await shop.catalogue.add("A", "One A", PRICE, 0, FINGERPRINT)

    with called_by(MANAGER, "k1"), pytest.raises(IdempotencyKeyReused):
        await shop.catalogue.add("B", "One B", PRICE, 0, OTHER_FINGERPRINT)

    with pytest.raises(ProductNotFound):
        await shop.catalogue.get("B")


async def test_a_refused_product_leaves_its_key_free(shop: Shop) -> None:
    await shop.sell("A")
    with called_by(MANAGER, "k1"), pytest.raises(SkuTaken):
        await shop.catalogue.add("A", "Another", PRICE, 0, FINGERPRINT)

    with called_by(MANAGER, "k1"):
        product = await shop.catalogue.add("B", "One B", PRICE, 0, OTHER_FINGERPRINT)

    assert product.sku == "B"


async def test_every_fault_of_a_product_is_named_at_once(shop: Shop) -> None:
    with called_by(MANAGER), pytest.raises(InvalidArgument) as refusal:
        await shop.catalogue.add("a", "", Money("euro", 0), 100, FINGERPRINT)

    assert [violation.field for violation in refusal.value.violations] == [
        "sku",
        "name",
        "price.currency_code",
        "price.minor_units",
        "minimum_age",
    ]


@pytest.mark.parametrize("name", ["", " ", "x" * 201, "a\x00b", "a\nb"])
async def test_a_name_that_cannot_be_shown_is_refused(shop: Shop, name: str) -> None:
    with called_by(MANAGER), pytest.raises(InvalidArgument):
        await shop.catalogue.add("A", name, PRICE, 0, FINGERPRINT)


@pytest.mark.parametrize("sku", ["A", "", "a", "A\x00", "A" * 65])
async def test_an_unknown_product_is_not_found(shop: Shop, sku: str) -> None:
    with pytest.raises(ProductNotFound):
        await shop.catalogue.get(sku)


async def test_pages_hold_every_product_once_by_sku(shop: Shop) -> None:
    for sku in ("C", "A", "E", "B", "D"):
        await shop.sell(sku, units=0)

    pages, token = [], ""
    for _ in range(3):
        page = await shop.catalogue.list(2, token)
        pages.append([product.sku for product in page.items])
        token = page.next_token

    assert pages == [["A", "B"], ["C", "D"], ["E"]]
    assert token == ""


async def test_a_last_page_that_is_full_has_no_next(shop: Shop) -> None:
    await shop.sell("A", units=0)
    await shop.sell("B", units=0)

    assert (await shop.catalogue.list(2, "")).next_token == ""


async def test_a_shop_without_products_lists_none(shop: Shop) -> None:
    page = await shop.catalogue.list(0, "")

    assert (page.items, page.next_token) == ((), "")


@pytest.mark.parametrize(
    ("page_size", "page_token", "fields"),
    [
        (-1, "", ["page_size"]),
        (1001, "", ["page_size"]),
        (0, "!", ["page_token"]),
        (0, "bG93ZXI", ["page_token"]),
        (0, "é", ["page_token"]),
        (-1, "!", ["page_size", "page_token"]),
    ],
)
async def test_a_page_that_cannot_be_is_refused(
    shop: Shop, page_size: int, page_token: str, fields: list[str]
) -> None:
    with pytest.raises(InvalidArgument) as refusal:
        await shop.catalogue.list(page_size, page_token)

    assert [violation.field for violation in refusal.value.violations] == fields
