"""Shops for the tests of the orders service."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable

import pytest
from pydantic import SecretStr

from servicekit.postgres import Database
from servicekit.settings import PostgresSettings
from tests.services.orders.shop import Shop, memory_shop, postgres_shop


@pytest.fixture
def shop() -> Shop:
    """A shop in memory."""
    return memory_shop()


@pytest.fixture
async def database(make_database: Callable[[str | None], str]) -> AsyncIterator[Database]:
    """A fresh database of the orders service."""
    url = make_database("services.orders")
    database = Database(PostgresSettings(database_url=SecretStr(url), database_pool_size=10))
    yield database
    await database.close()


@pytest.fixture
def stored_shop(database: Database) -> Shop:
    """A shop in PostgreSQL."""
    return postgres_shop(database)


@pytest.fixture(params=["memory", "postgres"])
def any_shop(request: pytest.FixtureRequest) -> Shop:
    """A shop on each store."""
    if request.param == "memory":
        return memory_shop()
    stored: Shop = request.getfixturevalue("stored_shop")
    return stored
