"""The catalogue in memory."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from typing_extensions import override

from services.orders.model import Product, Sku, Stock
from services.orders.ports import Products
from services.orders.store.memory.kept import Kept


class MemoryProducts(Products):
    """The catalogue."""

    def __init__(self, kept: Callable[[], Kept]) -> None:
        self._kept = kept

    @override
    async def add(self, product: Product) -> bool:
        if product.sku in self._kept().products:
            return False
        self._kept().products[product.sku] = product
        self._kept().stock[product.sku] = Stock(product.sku, 0, 0, product.created_at)
        return True

    @override
    async def get(self, sku: Sku) -> Product | None:
        return self._kept().products.get(sku)

    @override
    async def named(self, skus: Sequence[Sku]) -> dict[Sku, Product]:
        products = self._kept().products
        return {sku: products[sku] for sku in skus if sku in products}

    @override
    async def page(self, after: Sku, limit: int) -> list[Product]:
        products = self._kept().products
        return [products[sku] for sku in sorted(products) if sku > after][:limit]
