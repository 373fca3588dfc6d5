"""What may be ordered, and what is said of what may not."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from servicekit.errors import InvalidArgument
from services.orders.errors import (
    CurrencyMismatch,
    MixedCurrencies,
    OrderTotalTooLarge,
    TendersDoNotAddUp,
    UnknownProduct,
)
from services.orders.model import Basket, BasketLine, Money, Product, Sku, Tendered, TenderMethod
from services.orders.usecases import baskets
from tests.services.orders.fakes import VISA, basket, by_card, by_gift_card, euros, in_cash

MAX = 2**63 - 1
PRICE = Money("EUR", 250)


def product(sku: str, price: Money = PRICE, minimum_age: int = 0) -> Product:
    return Product(Sku(sku), f"One {sku}", price, minimum_age, datetime(2026, 1, 1, tzinfo=UTC))


def faults(wanted: Basket) -> dict[str, str]:
    with pytest.raises(InvalidArgument) as refusal:
        baskets.check(wanted)
    return {violation.field: violation.description for violation in refusal.value.violations}


@pytest.mark.parametrize(
    ("wanted", "field"),
    [
        (basket(), "lines"),
        (basket(*((f"SKU-{n}", 1) for n in range(101))), "lines"),
        (basket(("A", 0)), "lines[0].quantity"),
        (basket(("A", -1)), "lines[0].quantity"),
        (basket(("A", 10_001)), "lines[0].quantity"),
        (basket(("A", 1), ("A", 1)), "lines[1].sku"),
        (basket(("", 1)), "lines[0].sku"),
        (basket(("lower", 1)), "lines[0].sku"),
        (basket(("A\x00", 1)), "lines[0].sku"),
        (basket(("A\n", 1)), "lines[0].sku"),
        (basket(("A" * 65, 1)), "lines[0].sku"),
        (basket(("A", 1), card=""), "tenders[0].card.payment_method"),
        (basket(("A", 1), card="4242 4242 4242 4242"), "tenders[0].card.payment_method"),
        (basket(("A", 1), card="4242424242424242"), "tenders[0].card.payment_method"),
        (basket(("A", 1), card="4242-4242-4242-4242"), "tenders[0].card.payment_method"),
        (Basket((BasketLine("A", 1),), ()), "tenders"),
        (basket(("A", 1), tenders=(by_card(1),) * 9), "tenders"),
        (basket(("A", 1), tenders=(Tendered(None, ""),)), "tenders[0]"),
        (basket(("A", 1), tenders=(by_gift_card(1), Tendered(TenderMethod.CARD, VISA))), "tenders[1].amount"),
        (basket(("A", 1), tenders=(by_card(0),)), "tenders[0].amount.minor_units"),
        (basket(("A", 1), tenders=(by_card(-1),)), "tenders[0].amount.minor_units"),
        (basket(("A", 1), tenders=(by_gift_card(1, "no code"),)), "tenders[0].gift_card.code"),
        (basket(("A", 1), till_id="till 1"), "till_id"),
    ],
)
def test_a_fault_names_its_field(wanted: Basket, field: str) -> None:
    assert list(faults(wanted)) == [field]


def test_all_faults_are_named_at_once() -> None:
    wanted = basket(("a", 0), ("B", 1), ("B", -1), card="")

    assert list(faults(wanted)) == [
        "lines[0].sku",
        "lines[0].quantity",
        "lines[2].sku",
        "lines[2].quantity",
        "tenders[0].card.payment_method",
    ]


def test_the_largest_basket_is_accepted() -> None:
    baskets.check(basket(*((f"SKU-{n}", 10_000) for n in range(100))))


def test_lines_take_the_price_and_name_of_the_moment() -> None:
    (line,) = baskets.priced(basket(("A", 3)), {Sku("A"): product("A")})

    assert (line.name, line.unit_price) == ("One A", Money("EUR", 250))
    assert baskets.total([line]) == Money("EUR", 750)


def test_every_unknown_product_is_named() -> None:
    with pytest.raises(UnknownProduct) as refusal:
        baskets.priced(basket(("A", 1), ("B", 1), ("C", 1)), {Sku("B"): product("B")})

    assert [violation.field for violation in refusal.value.violations] == ["lines[0].sku", "lines[2].sku"]


def test_the_oldest_minimum_age_of_a_basket_counts() -> None:
    products = {
        Sku("A"): product("A"),
        Sku("B"): product("B", minimum_age=16),
        Sku("C"): product("C", minimum_age=18),
    }

    assert baskets.minimum_age(basket(("A", 1)), products) == 0
    assert baskets.minimum_age(basket(("A", 1), ("C", 1), ("B", 1)), products) == 18


def test_the_only_tender_pays_all_of_it() -> None:
    (tender,) = baskets.shares(basket(("A", 1)), Money("EUR", 250))

    assert (tender.method, tender.handle, tender.amount) == (TenderMethod.CARD, VISA, Money("EUR", 250))


def test_several_tenders_pay_their_shares() -> None:
    wanted = basket(("A", 1), tenders=(by_gift_card(100), in_cash(50), by_card(100)))

    shares = baskets.shares(wanted, Money("EUR", 250))

    assert [(tender.method.lower(), tender.amount.minor_units) for tender in shares] == [
        ("gift_card", 100),
        ("cash", 50),
        ("card", 100),
    ]


@pytest.mark.parametrize("amounts", [(100,), (251,), (100, 149), (100, 151), (MAX, MAX)])
def test_tenders_that_do_not_pay_the_total_are_refused(amounts: tuple[int, ...]) -> None:
    wanted = basket(("A", 1), tenders=tuple(by_card(amount) for amount in amounts))

    with pytest.raises(TendersDoNotAddUp) as refusal:
        baskets.shares(wanted, Money("EUR", 250))

    assert refusal.value.metadata == {"total_minor_units": "250"}


def test_a_tender_in_another_currency_is_refused() -> None:
    wanted = basket(("A", 1), tenders=(by_card(250), euros(TenderMethod.CASH, "", 0)))

    with pytest.raises(CurrencyMismatch) as refusal:
        baskets.shares(wanted, Money("USD", 250))

    assert [one.field for one in refusal.value.violations] == [
        "tenders[0].amount.currency_code",
        "tenders[1].amount.currency_code",
    ]


def test_currencies_are_not_mixed() -> None:
    products = {Sku("A"): product("A"), Sku("B"): product("B", Money("USD", 250))}

    with pytest.raises(MixedCurrencies):
        baskets.priced(basket(("A", 1), ("B", 1)), products)


def test_a_total_of_exactly_64_bits_can_be_ordered() -> None:
    lines = baskets.priced(basket(("A", 1)), {Sku("A"): product("A", Money("EUR", MAX))})

    assert baskets.total(lines).minor_units == MAX


def test_a_total_beyond_64_bits_is_refused() -> None:
    lines = baskets.priced(basket(("A", 2)), {Sku("A"): product("A", Money("EUR", MAX // 2 + 1))})

    with pytest.raises(OrderTotalTooLarge):
        baskets.total(lines)
