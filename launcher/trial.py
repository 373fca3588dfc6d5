"""One order, placed as a cashier would place it: `tillmesh try`."""

from __future__ import annotations

import json
import time
from dataclasses import dataclass
from typing import Any
from uuid import uuid4

from launcher.api import Api, Refused
from launcher.credentials import Person
from launcher.errors import CommandFailed

COMPLETED = "ORDER_STATE_COMPLETED"
CARD = "pm_card_visa"
"""Stripe's test card that always pays."""


@dataclass(frozen=True)
class Trial:
    """The order as answered, and how long the answer took."""

    order: dict[str, Any]
    seconds: float

    @property
    def is_paid(self) -> bool:
        """Whether the order was settled with money."""
        return self.order.get("state") == COMPLETED

    def as_json(self) -> dict[str, Any]:
        """The document of `tillmesh try --json`."""
        return {"order": self.order, "seconds": round(self.seconds, 3)}

    def as_text(self) -> str:
        """The same for people."""
        settled = f"{self.order.get('state')} {self.order.get('stateReason', '')}".rstrip()
        return f"{json.dumps(self.order, indent=2)}\n\n{settled} in {self.seconds:.2f} s"


def place_order(api: Api, cashier: Person) -> Trial:
    """Sign in, choose something that anybody may buy, and pay for one of it."""
    api.sign_in(cashier)
    for sku in _for_anybody(api):
        basket = {"lines": [{"sku": sku, "quantity": 1}], "tenders": [{"card": {"paymentMethod": CARD}}]}
        started = time.perf_counter()
        try:
            order = api.post("/v1/orders", basket, f"try-{uuid4()}")
        except Refused as refusal:
            if refusal.reason != "OUT_OF_STOCK":
                raise
        else:
            return Trial(order, time.perf_counter() - started)
    raise CommandFailed("The shop has nothing left that anybody may buy.")


def _for_anybody(api: Api) -> list[str]:
    listed = api.get("/v1/products?pageSize=1000").get("products", [])
    return [product["sku"] for product in listed if not product.get("minimumAge")]
