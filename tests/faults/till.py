"""A till: a client of the gateway that repeats each call under its key until it is answered."""

from __future__ import annotations

import asyncio
import time
from typing import Any
from uuid import uuid4

from benchmarks.line import NO_ANSWER, Answer, Lines
from tests.faults.workshop import Workshop

PATIENCE_SECONDS = 600.0
"""Longer than any service keeps dying in a proof; how fast all heals afterwards is for the proof to say."""
PAUSE_SECONDS = 0.1
VISA = "pm_card_visa"
OPEN = frozenset({"ORDER_STATE_PENDING", "ORDER_STATE_AUTHORIZED"})
"""States that an order leaves by itself."""

Json = dict[str, Any]


class Planned(Exception):
    """The call is in the API and not in the service yet."""


class Till:
    """Signed in as somebody. Outages are waited for; refusals are failures of the test."""

    def __init__(self, workshop: Workshop, role: str = "cashier") -> None:
        self.workshop = workshop
        self._person = workshop.credentials.people[role]
        self._lines = Lines(workshop.ports["gateway"]["http"])

    async def sign_in(self) -> Till:
        asked = {"email": self._person.email, "password": self._person.password}
        answer = await self._lines.ask("POST", "/v1/auth/login", asked)
        assert answer.status == 200, answer
        self._lines.headers["Authorization"] = f"Bearer {answer.json()['tokens']['accessToken']}"
        return self

    @property
    def authorization(self) -> str:
        """The header that says who calls."""
        return self._lines.headers["Authorization"]

    async def once(self, method: str, path: str, body: Json | None = None, key: str = "") -> Answer:
        """One call, whatever comes of it."""
        return await self._lines.ask(method, path, body, {"Idempotency-Key": key} if key else {})

    async def call(self, method: str, path: str, body: Json | None = None, key: str = "") -> Json:
        """The object that is answered, however often it takes."""
        return (await self.answered(method, path, body, key)).json()

    async def answered(self, method: str, path: str, body: Json | None = None, key: str = "") -> Answer:
        """The answer, however often it takes."""
        until = time.monotonic() + PATIENCE_SECONDS
        said = ""
        while time.monotonic() < until:
            try:
                answer = await self.once(method, path, body, key)
            except NO_ANSWER as error:
                said = repr(error)
            else:
                said = repr(answer)
                if answer.is_success:
                    return answer
                if answer.status == 501 or reason_of(answer) == "AGE_CHECK_NOT_OFFERED":
                    raise Planned(path)
                assert _may_pass(answer), f"{method} {path}: {said}"
            await asyncio.sleep(PAUSE_SECONDS)
        raise AssertionError(f"{method} {path} with key {key!r} is not answered: {said}")

    async def get(self, path: str) -> Json:
        return await self.call("GET", path)

    async def post(self, path: str, body: Json, key: str = "") -> Json:
        return await self.call("POST", path, body, key or str(uuid4()))

    async def stock(self, sku: str, units: int, **product: Any) -> None:
        """Begin to sell a product."""
        price = {"currencyCode": "EUR", "minorUnits": "250"}
        await self.post("/v1/products", {"sku": sku, "name": f"One {sku}", "price": price, **product})
        await self.post(f"/v1/inventory/{sku}:restock", {"quantity": units})

    async def order(self, sku: str, key: str = "", card: str = VISA, **more: Any) -> Json:
        """An order of one, once it has come as far as it comes by itself."""
        order = await self.post("/v1/orders", {**basket(sku, card), **more}, key)
        return await self.settled(order)

    async def settled(self, order: Json) -> Json:
        """The order, once it is in a state that it does not leave by itself."""
        until = time.monotonic() + PATIENCE_SECONDS
        while order["state"] in OPEN:
            assert time.monotonic() < until, f"order {order['id']} stays {order['state']}"
            await asyncio.sleep(PAUSE_SECONDS)
            order = await self.get(f"/v1/orders/{order['id']}")
        return order

    async def close(self) -> None:
        await self._lines.close()


def basket(sku: str, card: str = VISA) -> Json:
    """One of a product, paid by card."""
    return {"lines": [{"sku": sku, "quantity": 1}], "tenders": [{"card": {"paymentMethod": card}}]}


def _may_pass(answer: Answer) -> bool:
    if answer.status in {429, 500, 502, 503, 504}:
        return True
    return answer.status == 409 and reason_of(answer) == "IDEMPOTENCY_KEY_IN_FLIGHT"


def reason_of(answer: Answer) -> str:
    """Why a call was refused."""
    return str(answer.json().get("reason", ""))
