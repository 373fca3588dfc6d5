"""From a basket as asked for to the lines of an order: pure, all faults at once."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Final

from servicekit.errors import FieldViolation, InvalidArgument
from services.orders.errors import (
    CurrencyMismatch,
    MixedCurrencies,
    OrderTotalTooLarge,
    TendersDoNotAddUp,
    UnknownProduct,
)
from services.orders.model import (
    Basket,
    Money,
    OrderLine,
    Product,
    Sku,
    Tender,
    Tendered,
    TenderMethod,
)
from services.orders.usecases.fields import MAX_MINOR_UNITS, SKU_RULE, is_sku

MAX_LINES: Final = 100
MAX_QUANTITY: Final = 10_000
MAX_TENDERS: Final = 8
_CARD_HANDLE: Final = re.compile(r"(?![0-9_-]+$)[A-Za-z0-9_-]{1,255}")
"""Never digits alone: those would be a card's number, which must not be kept."""


_GIFT_CARD_CODE: Final = re.compile(r"[A-Za-z0-9-]{4,64}")
_TILL_ID: Final = re.compile(r"[A-Za-z0-9._-]{0,64}")


def check(basket: Basket) -> None:
    """Raise `InvalidArgument` with every fault of the basket that can be seen without the catalogue."""
    violations = [*_line_violations(basket), *_tenders_violations(basket.tenders)]
    if not _TILL_ID.fullmatch(basket.till_id):
        violations.append(FieldViolation("till_id", "must be up to 64 of A-Z a-z 0-9 . _ -"))
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


def _tenders_violations(tenders: Sequence[Tendered]) -> Iterator[FieldViolation]:
    if not 1 <= len(tenders) <= MAX_TENDERS:
        yield FieldViolation("tenders", f"must have 1 to {MAX_TENDERS} tenders")
        return
    for index, tender in enumerate(tenders):
        yield from _method_violations(f"tenders[{index}]", tender)
        if tender.amount is None and len(tenders) > 1:
            yield FieldViolation(f"tenders[{index}].amount", "is needed where there are several tenders")
        if tender.amount is not None and not 0 < tender.amount.minor_units <= MAX_MINOR_UNITS:
            yield FieldViolation(f"tenders[{index}].amount.minor_units", "must be above zero")


def _method_violations(field: str, tender: Tendered) -> Iterator[FieldViolation]:
    match tender.method:
        case None:
            yield FieldViolation(field, "must name a method: card, cash or gift_card")
        case TenderMethod.CARD if not _CARD_HANDLE.fullmatch(tender.handle):
            rule = "must be the provider's handle of a card, 1 to 255 of A-Z a-z 0-9 _ -, never its number"
            yield FieldViolation(f"{field}.card.payment_method", rule)
        case TenderMethod.GIFT_CARD if not _GIFT_CARD_CODE.fullmatch(tender.handle):
            yield FieldViolation(f"{field}.gift_card.code", "must be 4 to 64 of A-Z a-z 0-9 -")
        case _:
            pass


def priced(basket: Basket, products: Mapping[Sku, Product]) -> tuple[OrderLine, ...]:
    """The lines of the basket at current prices. Raises a refusal for what is not for sale this way."""
    bought = _found(basket, products)
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


def minimum_age(basket: Basket, products: Mapping[Sku, Product]) -> int:
    """Years that the buyer of this basket must have."""
    return max(products[Sku(line.sku)].minimum_age for line in basket.lines)


def shares(basket: Basket, total: Money) -> tuple[Tender, ...]:
    """The tenders with what each pays. Raises a refusal unless they pay the total, all in its currency."""
    offered = [tender.amount or total for tender in basket.tenders]
    foreign = [
        FieldViolation(f"tenders[{index}].amount.currency_code", "is not the currency of the products")
        for index, amount in enumerate(offered)
        if amount.currency_code != total.currency_code
    ]
    if foreign:
        raise CurrencyMismatch(f"the order costs {total.currency_code}", violations=foreign)
    if sum(amount.minor_units for amount in offered) != total.minor_units:
        raise TendersDoNotAddUp(
            "the tenders do not pay the order's total",
            violations=[FieldViolation("tenders", f"must add up to {total.minor_units} minor units")],
            metadata={"total_minor_units": str(total.minor_units)},
        )
    return tuple(
        Tender(tender.method or TenderMethod.CARD, tender.handle, amount)
        for tender, amount in zip(basket.tenders, offered, strict=True)
    )


def _found(basket: Basket, products: Mapping[Sku, Product]) -> list[Product]:
    violations = [
        FieldViolation(f"lines[{index}].sku", "is not a product of this shop")
        for index, line in enumerate(basket.lines)
        if Sku(line.sku) not in products
    ]
    if violations:
        raise UnknownProduct("the order names a product that is not for sale", violations=violations)
    return [products[Sku(line.sku)] for line in basket.lines]
