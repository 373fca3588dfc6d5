"""From a basket as asked for to the lines of an order: pure, all faults at once."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Final

from servicekit.errors import FieldViolation, InvalidArgument
from services.orders.errors import AgeCheckNotOffered, MixedCurrencies, OrderTotalTooLarge, UnknownProduct
from services.orders.model import Basket, Money, OrderLine, Product, Sku
from services.orders.usecases.fields import MAX_MINOR_UNITS, SKU_RULE, is_sku

MAX_LINES: Final = 100
MAX_QUANTITY: Final = 10_000
_CARD_HANDLE: Final = re.compile(r"(?![0-9_-]+$)[A-Za-z0-9_-]{1,255}")
"""Never digits alone: those would be a card's number, which must not be kept."""


def check(basket: Basket) -> None:
    """Raise `InvalidArgument` with every fault of the basket that can be seen without the catalogue."""
    violations = [*_line_violations(basket), *_tender_violations(basket.cards)]
    if violations:
        raise InvalidArgument("the order is not valid", violations=violations)


def _line_violations(basket: Basket) -> Iterator[FieldViolation]:
    if not 1 <= len(basket.lines) <= MAX_LINES:
        yield FieldViolation("lines", f"must have 1 to {MAX_LINES} lines")
        return
    seen: set[str] = set()
    for index, line in enumerate(basket.lines):
        if not is_sku(line.sku):
            yield FieldViolation(f"lines[{index}].sku", SKU_RULE)
        elif line.sku in seen:
            yield FieldViolation(f"lines[{index}].sku", "stands in an earlier line too")
        if not 1 <= line.quantity <= MAX_QUANTITY:
            yield FieldViolation(f"lines[{index}].quantity", f"must be 1 to {MAX_QUANTITY}")
        seen.add(line.sku)


def _tender_violations(cards: Sequence[str]) -> Iterator[FieldViolation]:
    if len(cards) != 1:
        yield FieldViolation("tenders", "must have exactly one tender")
        return
    if not _CARD_HANDLE.fullmatch(cards[0]):
        rule = "must be the provider's handle of a card, 1 to 255 of A-Z a-z 0-9 _ -, never its number"
        yield FieldViolation("tenders[0].card.payment_method", rule)


def priced(basket: Basket, products: Mapping[Sku, Product]) -> tuple[OrderLine, ...]:
    """The lines of the basket at current prices. Raises a refusal for what is not for sale this way."""
    bought = _found(basket, products)
    _refuse_restricted(bought)
    if len({product.price.currency_code for product in bought}) > 1:
        raise MixedCurrencies("the products of one order must be priced in one currency")
    return tuple(
        OrderLine(product.sku, product.name, line.quantity, product.price)
        for product, line in zip(bought, basket.lines, strict=True)
    )


def total(lines: Sequence[OrderLine]) -> Money:
    """The sum of the lines. Raises `OrderTotalTooLarge` for one that 64 bits do not hold."""
    total_minor = sum(line.total_minor for line in lines)
    if total_minor > MAX_MINOR_UNITS:
        fault = FieldViolation("lines", "cost more in sum than can be charged")
        raise OrderTotalTooLarge("the order costs more than can be charged", violations=[fault])
    return Money(lines[0].unit_price.currency_code, total_minor)


def _found(basket: Basket, products: Mapping[Sku, Product]) -> list[Product]:
    violations = [
        FieldViolation(f"lines[{index}].sku", "is not a product of this shop")
        for index, line in enumerate(basket.lines)
        if Sku(line.sku) not in products
    ]
    if violations:
        raise UnknownProduct("the order names a product that is not for sale", violations=violations)
    return [products[Sku(line.sku)] for line in basket.lines]


def _refuse_restricted(bought: Sequence[Product]) -> None:
    restricted = [(index, product) for index, product in enumerate(bought) if product.minimum_age > 0]
    if not restricted:
        return
    violations = [
        FieldViolation(f"lines[{index}].sku", f"may be sold from {product.minimum_age} years only")
        for index, product in restricted
    ]
    first = restricted[0][1]
    raise AgeCheckNotOffered(
        "the order holds a product that needs an age check, which is not offered yet",
        violations=violations,
        metadata={"sku": first.sku, "minimum_age": str(first.minimum_age)},
    )
