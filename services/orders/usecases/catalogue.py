"""What the shop sells: list, look up, add."""

from __future__ import annotations

import re
from typing import Final

from servicekit.clock import Clock
from servicekit.errors import FieldViolation, InvalidArgument
from services.orders.errors import ProductNotFound, SkuTaken
from services.orders.model import Money, Page, Product, Sku
from services.orders.ports import Store
from services.orders.usecases.attempts import attempt_of, made_before
from services.orders.usecases.fields import MAX_MINOR_UNITS, SKU_RULE, is_sku
from services.orders.usecases.paging import (
    DEFAULT_PAGE_SIZE,
    key_of,
    page_of,
    size_violations,
    token_violations,
)

MAX_NAME_LENGTH: Final = 200
MAX_MINIMUM_AGE: Final = 99
_CURRENCY: Final = re.compile(r"[A-Z]{3}")


class Catalogue:
    """The products of the shop."""

    def __init__(self, store: Store, clock: Clock) -> None:
        self._store = store
        self._clock = clock

    async def list(self, page_size: int, page_token: str) -> Page[Product]:
        """A page of products by SKU."""
        violations = size_violations(page_size) + token_violations(page_token, is_sku)
        if violations:
            raise InvalidArgument("the page asked for does not exist", violations=violations)
        size = page_size or DEFAULT_PAGE_SIZE
        found = await self._store.products.page(Sku(key_of(page_token)), size + 1)
        return page_of(found, size, lambda product: product.sku)

    async def get(self, sku: str) -> Product:
        """The product with this SKU."""
        product = await self._store.products.get(Sku(sku)) if is_sku(sku) else None
        if product is None:
            raise ProductNotFound("there is no product with this SKU")
        return product

    async def add(self, sku: str, name: str, price: Money, minimum_age: int, fingerprint: bytes) -> Product:
        """Add a product, with no stock. Repeating the attempt answers with the product it added."""
        _check(sku, name, price, minimum_age)
        attempt = attempt_of("products.create", fingerprint)
        product = Product(Sku(sku), name, price, minimum_age, self._clock.now())
        async with self._store.transaction() as tx:
            made = await made_before(tx, attempt, sku, product.created_at)
            if made is None and not await tx.products.add(product):
                raise SkuTaken("there is a product with this SKU")
        return product if made is None else await self.get(made)


def _check(sku: str, name: str, price: Money, minimum_age: int) -> None:
    faults = {
        "sku": "" if is_sku(sku) else SKU_RULE,
        "name": "" if _is_name(name) else f"must have 1 to {MAX_NAME_LENGTH} printable characters",
        "price.currency_code": "" if _CURRENCY.fullmatch(price.currency_code) else "must be an ISO 4217 code",
        "price.minor_units": "" if 0 < price.minor_units <= MAX_MINOR_UNITS else "must be above zero",
        "minimum_age": "" if 0 <= minimum_age <= MAX_MINIMUM_AGE else f"must be 0 to {MAX_MINIMUM_AGE}",
    }
    violations = [FieldViolation(field, fault) for field, fault in faults.items() if fault]
    if violations:
        raise InvalidArgument("the product is not valid", violations=violations)


def _is_name(name: str) -> bool:
    return 1 <= len(name) <= MAX_NAME_LENGTH and name.isprintable() and not name.isspace()
