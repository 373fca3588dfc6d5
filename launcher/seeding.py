"""Fills an empty shop through the gateway's own API, as its administrator would.

Every step carries a key of its own (`Idempotency-Key`), and what stands already is
left as it is: seeding again, or after half of it, does only what is left to do.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from typing import Any, TypeVar

from launcher.api import Api, Refused, Unreachable
from launcher.credentials import Credentials, Person
from launcher.shop import CURRENCY, PRODUCTS, UNITS_OF_EACH, Product

_PATIENCE_SECONDS = 90.0
_PAUSE_SECONDS = 0.1
_PASSING = frozenset({"IDEMPOTENCY_KEY_IN_FLIGHT", "PEER_UNAVAILABLE", "STORE_UNAVAILABLE"})
_PASSING_STATUSES = frozenset({429, 503, 504})
_STANDS = frozenset({"EMAIL_TAKEN", "SKU_TAKEN"})

T = TypeVar("T")


class Seeding:
    """The opening of one shop. Services that are still starting are waited for."""

    def __init__(
        self, api: Api, credentials: Credentials, patience_seconds: float = _PATIENCE_SECONDS
    ) -> None:
        self._api = api
        self._people = credentials.people
        self._deadline = time.monotonic() + patience_seconds

    def run(self) -> None:
        """Make the people, the products and their stock; Refused or Unreachable when that cannot be."""
        admin = self._people["admin"]
        self._patiently(lambda: self._api.sign_in(admin))
        for person in self._people.values():
            if person is not admin:
                self._make("/v1/users", _user(person), f"seed-user-{person.role}")
        for product in PRODUCTS:
            self._make("/v1/products", _product(product), f"seed-product-{product.sku}")
            delivery = {"quantity": UNITS_OF_EACH}
            self._make(f"/v1/inventory/{product.sku}:restock", delivery, f"seed-stock-{product.sku}")

    def _make(self, path: str, body: Mapping[str, Any], key: str) -> None:
        try:
            self._patiently(lambda: self._api.post(path, body, key))
        except Refused as refusal:
            if refusal.reason not in _STANDS:
                raise

    def _patiently(self, call: Callable[[], T]) -> T:
        """What the call returns, once the mesh is ready to answer it."""
        while True:
            try:
                return call()
            except (Refused, Unreachable) as failure:
                if not _may_pass(failure) or time.monotonic() > self._deadline:
                    raise
            time.sleep(_PAUSE_SECONDS)


def _may_pass(failure: Refused | Unreachable) -> bool:
    if isinstance(failure, Unreachable):
        return True
    return failure.status in _PASSING_STATUSES or failure.reason in _PASSING


def _user(person: Person) -> dict[str, Any]:
    return {
        "email": person.email,
        "displayName": person.display_name,
        "password": person.password,
        "roles": [f"ROLE_{person.role.upper()}"],
    }


def _product(product: Product) -> dict[str, Any]:
    return {
        "sku": product.sku,
        "name": product.name,
        "price": {"currencyCode": CURRENCY, "minorUnits": str(product.price_minor)},
        "minimumAge": product.minimum_age,
    }
