"""What really happened, told by the provider's ledger and the shop's stock, and what of it is wrong."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping
from typing import Any

import asyncpg

from benchmarks.line import Lines
from tests.faults.till import Json, Till
from tests.faults.workshop import Workshop


class Judge:
    """Reads the ledger once, and judges orders by it."""

    def __init__(self, entries: Iterable[Mapping[str, Any]]) -> None:
        self._movements: dict[str, Counter[str]] = defaultdict(Counter)
        self._sums: dict[str, Counter[str]] = defaultdict(Counter)
        for entry in entries:
            self._movements[entry["order_id"]][entry["movement"]] += 1
            self._sums[entry["order_id"]][entry["movement"]] += entry["amount"]

    @classmethod
    async def of(cls, workshop: Workshop) -> Judge:
        """A judge who has read all that moved until now."""
        lines = Lines(workshop.ports["sandbox"]["http"], timeout=60)
        entries = (await lines.ask("GET", "/sandbox/stripe/ledger")).json()["entries"]
        await lines.close()
        return cls(entries)

    def violations(self, order: Json) -> list[str]:
        """What is wrong with the money of an order that has one card tender."""
        sums, movements = self._sums[order["id"]], self._movements[order["id"]]
        total = int(order["total"]["minorUnits"])
        refunded = int(order.get("refunded", {}).get("minorUnits", 0))
        taken = total - refunded if order["state"] in _PAID else 0
        found = []
        if movements["authorised"] > 1 or movements["captured"] > 1:
            found.append("charged twice")
        if sums["captured"] - sums["refunded"] != taken:
            found.append(f"{sums['captured'] - sums['refunded']} taken and not {taken}")
        if sums["authorised"] - sums["captured"] - sums["cancelled"] != 0:
            found.append("money is still held")
        return [f"order {order['id']} {order['state']}: {what}: {dict(movements)}" for what in found]


_PAID = frozenset({"ORDER_STATE_COMPLETED", "ORDER_STATE_REFUNDED", "ORDER_STATE_PARTIALLY_REFUNDED"})


async def wrong_stock(till: Till, sku: str, left: int) -> list[str]:
    """What is wrong with the stock of a product of which so much must be left, and nothing reserved."""
    stock = await till.get(f"/v1/inventory/{sku}")
    found = stock.get("onHand", 0), stock.get("reserved", 0)
    return [] if found == (left, 0) else [f"{sku}: {found} on hand and reserved, and not {(left, 0)}"]


async def unkept(workshop: Workshop, told: set[str], sku: str) -> list[str]:
    """Orders of a product that clients were told of and nobody keeps, and those that nobody was told of."""
    connection = await asyncpg.connect(workshop.postgres.url("orders"))
    kept = {str(row["order_id"]) for row in await connection.fetch(KEPT, sku)}
    await connection.close()
    return [
        *(f"order {order} is lost" for order in told - kept),
        *(f"order {order} was made unseen" for order in kept - told),
    ]


KEPT = "SELECT order_id FROM order_lines WHERE sku = $1"
