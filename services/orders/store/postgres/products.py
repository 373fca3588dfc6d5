"""The catalogue in PostgreSQL."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

from typing_extensions import override

from servicekit.postgres import Query
from services.orders.model import Money, Product, Sku
from services.orders.ports import Products
from services.orders.store.postgres.executor import Executor

_COLUMNS: Final = "sku, name, currency_code, price_minor, minimum_age, created_at"

ADD: Final = Query(
    "products.add",
    f"""
    WITH added AS (
        INSERT INTO products ({_COLUMNS}) VALUES ($1, $2, $3, $4, $5, $6)
        ON CONFLICT (sku) DO NOTHING
        RETURNING sku, created_at
    )
    INSERT INTO stock (sku, on_hand, reserved, updated_at) SELECT sku, 0, 0, created_at FROM added
    """,  # noqa: S608 - the columns are ours
)
GET: Final = Query("products.get", f"SELECT {_COLUMNS} FROM products WHERE sku = $1")  # noqa: S608 - as above
NAMED: Final = Query("products.named", f"SELECT {_COLUMNS} FROM products WHERE sku = ANY($1::text[])")  # noqa: S608 - as above
PAGE: Final = Query(
    "products.page",
    f"SELECT {_COLUMNS} FROM products WHERE sku > $1 ORDER BY sku LIMIT $2",  # noqa: S608 - as above
)


class PostgresProducts(Products):
    """The catalogue. A product and its row of stock are made together."""

    def __init__(self, executor: Executor) -> None:
        self._executor = executor

    @override
    async def add(self, product: Product) -> bool:
        price = product.price
        added = await self._executor.execute(
            ADD,
            product.sku,
            product.name,
            price.currency_code,
            price.minor_units,
            product.minimum_age,
            product.created_at,
        )
        return added == 1

    @override
    async def get(self, sku: Sku) -> Product | None:
        row = await self._executor.fetch_one(GET, sku)
        return None if row is None else _product(row)

    @override
    async def named(self, skus: Sequence[Sku]) -> dict[Sku, Product]:
        found = [_product(row) for row in await self._executor.fetch(NAMED, list(skus))]
        return {product.sku: product for product in found}

    @override
    async def page(self, after: Sku, limit: int) -> list[Product]:
        return [_product(row) for row in await self._executor.fetch(PAGE, after, limit)]


def _product(row: Any) -> Product:  # noqa: ANN401 - asyncpg has no types
    return Product(
        sku=Sku(row["sku"]),
        name=row["name"],
        price=Money(row["currency_code"], row["price_minor"]),
        minimum_age=row["minimum_age"],
        created_at=row["created_at"],
    )
