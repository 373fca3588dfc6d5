"""A day in a small shop: every kind of sale there is, so that a day passes all the code that sells."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field

from benchmarks.line import Lines
from tests.faults.judge import Judge, wrong_stock
from tests.faults.till import VISA, Json, Planned, Till, basket

DELIVERED = 20
DELIVERED_LATER = 5
DECLINED_CARD = "pm_card_visa_chargeDeclinedInsufficientFunds"
SLOW_SECONDS = 0.4


@dataclass
class Day:
    """One day, with products of its own: whatever goes wrong on it shows in its own stock.

    Attributes:
        name: Begins the names of its products, and its keys.
        orders: What was sold, as it was last told.
        wrong: What the clients saw that cannot be.
    """

    name: str
    cashier: Till
    manager: Till
    orders: list[Json] = field(default_factory=list)
    wrong: list[str] = field(default_factory=list)

    @property
    def sku(self) -> str:
        """What anybody may buy."""
        return f"{self.name}-ANY"

    @property
    def restricted(self) -> str:
        """What is sold by age."""
        return f"{self.name}-AGE"

    async def run(self) -> None:
        """Open, and sell in every way at once."""
        await self.manager.stock(self.sku, DELIVERED)
        await self.manager.stock(self.restricted, DELIVERED, minimumAge=18)
        ways: list[Callable[[], Awaitable[None]]] = [
            self._sell,
            self._sell_twice_under_one_key,
            self._sell_slowly,
            self._decline,
            self._refund,
            self._cancel,
            self._verify,
            self._decline_a_share,
            self._count_stock,
            self._look,
        ]
        async with asyncio.TaskGroup() as group:
            for way in ways:
                group.create_task(_unless_planned(way))

    async def violations(self, judge: Judge) -> list[str]:
        """What is wrong at the end of the day."""
        found = [*self.wrong]
        for order in self.orders:
            found += judge.violations(order)
        delivered = {self.sku: DELIVERED + DELIVERED_LATER, self.restricted: DELIVERED}
        for sku, units in delivered.items():
            sold = sum(
                order["lines"][0]["quantity"]
                for order in self.orders
                if order["lines"][0]["sku"] == sku and order["state"] in _SOLD
            )
            found += await wrong_stock(self.manager, sku, units - sold)
        return [f"{self.name}: {what}" for what in found]

    def _keep(self, order: Json, *states: str) -> Json:
        if order["state"].removeprefix("ORDER_STATE_") not in states:
            self.wrong.append(f"order {order['id']} is {order['state']} {order['stateReason']}")
        self.orders.append(order)
        return order

    async def _sell(self) -> None:
        self._keep(await self.cashier.order(self.sku), "COMPLETED")

    async def _sell_twice_under_one_key(self) -> None:
        key = f"{self.name}-twice"
        first, again = await asyncio.gather(*(self.cashier.order(self.sku, key) for _ in range(2)))
        self._keep(first, "COMPLETED")
        if first["id"] != again["id"]:
            self.wrong.append(f"key {key} made {first['id']} and {again['id']}")

    async def _sell_slowly(self) -> None:
        """So slowly that whoever waits for the order has to look for it."""
        fault = {
            "kind": "latency",
            "count": 1,
            "seconds": SLOW_SECONDS,
            "operation": "payment_intents.create",
        }
        sandbox = Lines(self.cashier.workshop.ports["sandbox"]["http"])
        await sandbox.ask("POST", "/sandbox/stripe/faults", fault)
        await sandbox.close()
        await self._sell()

    async def _decline(self) -> None:
        self._keep(await self.cashier.order(self.sku, card=DECLINED_CARD), "REJECTED")

    async def _refund(self) -> None:
        order = await self.cashier.order(self.sku)
        try:
            part = {"amount": {"currencyCode": "EUR", "minorUnits": "100"}}
            await self.manager.post(f"/v1/orders/{order['id']}:refund", part, f"{self.name}-refund-1")
            order = await self.manager.post(f"/v1/orders/{order['id']}:refund", {}, f"{self.name}-refund-2")
        finally:
            self._keep(order, "COMPLETED", "REFUNDED")

    async def _cancel(self) -> None:
        order = await self._ask_for_age()
        order = await self.cashier.post(f"/v1/orders/{order['id']}:cancel", {}, f"{self.name}-cancel")
        self._keep(await self.cashier.settled(order), "CANCELLED")

    async def _verify(self) -> None:
        for is_old_enough in (True, False):
            order = await self._ask_for_age()
            check = {"method": "identity_card", "minimumAgeMet": is_old_enough}
            key = f"{self.name}-age-{is_old_enough}"
            order = await self.cashier.post(f"/v1/orders/{order['id']}:verifyAge", check, key)
            self._keep(await self.cashier.settled(order), "COMPLETED" if is_old_enough else "REJECTED")

    async def _ask_for_age(self) -> Json:
        order = await self.cashier.post("/v1/orders", basket(self.restricted))
        if order["state"] != "ORDER_STATE_AWAITING_AGE_CHECK":
            self._keep(await self.cashier.settled(order), "COMPLETED")
            raise Planned("age checks")
        return order

    async def _decline_a_share(self) -> None:
        """The first of two cards pays, the second does not: what the first held is let go of."""
        tenders = [
            {"card": {"paymentMethod": card}, "amount": {"currencyCode": "EUR", "minorUnits": "125"}}
            for card in (VISA, DECLINED_CARD)
        ]
        self._keep(await self.cashier.order(self.sku, tenders=tenders), "REJECTED")

    async def _count_stock(self) -> None:
        """Nothing is delivered twice under one key; the threshold moves nothing."""
        low = {"lowThreshold": 3}
        key = f"{self.name}-restock"
        path = f"/v1/inventory/{self.sku}"
        for _ in range(2):
            await self.manager.post(f"{path}:restock", {"quantity": DELIVERED_LATER}, key)
        await self.manager.post(f"{path}:setLowStockThreshold", low, f"{self.name}-low")
        await self.manager.get(f"{path}/movements")

    async def _look(self) -> None:
        order = await self.cashier.order(self.sku)
        self._keep(order, "COMPLETED")
        await self.cashier.answered("GET", f"/v1/orders/{order['id']}/receipt")
        await self.manager.get("/v1/deadLetters")
        await self.cashier.get(f"/v1/products/{self.sku}")
        await self.cashier.get("/v1/products?pageSize=2")
        await self.cashier.get("/v1/orders?pageSize=2")
        await self.cashier.get(f"/v1/inventory/{self.sku}")


_SOLD = frozenset({"ORDER_STATE_COMPLETED", "ORDER_STATE_REFUNDED", "ORDER_STATE_PARTIALLY_REFUNDED"})


async def _unless_planned(way: Callable[[], Awaitable[None]]) -> None:
    with contextlib.suppress(Planned):
        await way()
