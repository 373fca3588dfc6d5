"""Seeding over real HTTP: complete, repeatable, patient."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from launcher.api import Api, Refused, Unreachable
from launcher.credentials import Credentials
from launcher.seeding import Seeding
from launcher.shop import PRODUCTS, UNITS_OF_EACH
from tests.launcher.conftest import FakeGateway


@pytest.fixture
def api(address: str) -> Iterator[Api]:
    api = Api(address)
    yield api
    api.close()


def test_the_shop_has_25_products_of_which_some_are_for_adults() -> None:
    assert len({product.sku for product in PRODUCTS}) == 25
    assert {product.sku: product.minimum_age for product in PRODUCTS if product.minimum_age} == {
        "BEER-500": 16,
        "CIGARETTES-20": 18,
        "GIN-700": 18,
        "LIGHTER": 18,
        "WINE-RED-750": 18,
    }


def test_an_empty_shop_is_filled(api: Api, gateway: FakeGateway, credentials: Credentials) -> None:
    Seeding(api, credentials).run()

    assert [user["roles"] for user in gateway.users] == [["ROLE_MANAGER"], ["ROLE_CASHIER"]]
    assert gateway.products["WINE-RED-750"] == {
        "sku": "WINE-RED-750",
        "name": "Red wine, 0.75 l",
        "price": {"currencyCode": "EUR", "minorUnits": "799"},
        "minimumAge": 18,
    }
    assert gateway.stock == {product.sku: UNITS_OF_EACH for product in PRODUCTS}


def test_filling_it_again_changes_nothing(api: Api, gateway: FakeGateway, credentials: Credentials) -> None:
    Seeding(api, credentials).run()
    Seeding(api, credentials).run()

    assert len(gateway.users) == 2
    assert gateway.stock == {product.sku: UNITS_OF_EACH for product in PRODUCTS}


def test_what_stands_already_is_left_as_it_is(
    api: Api, gateway: FakeGateway, credentials: Credentials
) -> None:
    gateway.products["MILK-1L"] = {"sku": "MILK-1L", "name": "Our own milk"}

    Seeding(api, credentials).run()

    assert gateway.products["MILK-1L"]["name"] == "Our own milk"
    assert len(gateway.products) == 25


def test_services_that_are_starting_are_waited_for(
    api: Api, gateway: FakeGateway, credentials: Credentials
) -> None:
    gateway.not_ready = 3

    Seeding(api, credentials).run()

    assert len(gateway.products) == 25


def test_another_administrators_password_is_said_at_once(
    api: Api, gateway: FakeGateway, credentials: Credentials
) -> None:
    gateway.passwords.clear()

    with pytest.raises(Refused, match="401 INVALID_CREDENTIALS: wrong email or password"):
        Seeding(api, credentials).run()


def test_patience_ends(credentials: Credentials) -> None:
    with pytest.raises(Unreachable, match=r"no answer from 127\.0\.0\.1:1"):
        Seeding(Api("127.0.0.1:1"), credentials, patience_seconds=0.05).run()
