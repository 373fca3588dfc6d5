"""Tills that were offline: what they sold, how they send it through a network that fails, and the judge."""

from __future__ import annotations

import random
import socket
import threading
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any, Self
from uuid import uuid4

import httpx

from tests.process.mesh import Mesh

VISA, DECLINED = "pm_card_visa", "pm_card_visa_chargeDeclinedInsufficientFunds"
BATCH = 250

KINDS = {
    "paid": (44, ""),
    "cash": (40, ""),
    "declined": (5, "INSUFFICIENT_FUNDS"),
    "price": (3, "PRICE_CHANGED"),
    "none": (3, "OUT_OF_STOCK"),
    "unknown": (3, "UNKNOWN_PRODUCT"),
    "few": (2, "MAYBE"),
}
"""Kinds of sales: how many of a hundred, and how they must end. Of few there are few: some end well."""


class Partition:
    """A network between the tills and the shop that can be cut, in the middle of whatever is on its way."""

    def __init__(self, port: int) -> None:
        self._shop = ("127.0.0.1", port)
        self._listening = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listening.getsockname()[1]
        self._open: set[socket.socket] = set()
        self._is_cut = False
        self._accepting = threading.Thread(target=self._accept, daemon=True)

    def __enter__(self) -> Self:
        self._accepting.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._listening.shutdown(socket.SHUT_RDWR)
        self._accepting.join()
        self._listening.close()
        self.cut()

    def cut(self) -> None:
        """Lose every connection and every byte on its way; accept no other."""
        self._is_cut = True
        for each in list(self._open):
            _end(each)

    def heal(self) -> None:
        self._is_cut = False

    def _accept(self) -> None:
        while True:
            try:
                near, _ = self._listening.accept()
            except OSError:
                return
            if self._is_cut:
                near.close()
                continue
            far = socket.create_connection(self._shop)
            self._open |= {near, far}
            for one, other in ((near, far), (far, near)):
                threading.Thread(target=self._carry, args=(one, other), daemon=True).start()

    def _carry(self, one: socket.socket, other: socket.socket) -> None:
        try:
            while data := one.recv(65536):
                other.sendall(data)
        except OSError:
            pass  # cut, or ended by the other side
        _end(one)
        _end(other)
        self._open -= {one}
        one.close()


def _end(connection: socket.socket) -> None:
    try:
        connection.shutdown(socket.SHUT_RDWR)
    except OSError:
        return  # it has ended


@dataclass
class Shop:
    """What is sold, and for how much.

    Attributes:
        digits: Three products, whose quantities spell a sale's number; there is enough of each.
        none_left: A product that is sold out.
        scarce: A product of which there are `few`.
    """

    mesh: Mesh
    few: int = 5
    digits: list[tuple[str, int]] = field(default_factory=list)
    none_left: str = ""
    scarce: str = ""

    def open(self, units: int) -> Self:
        """Stock the shop."""
        mark = uuid4().hex[:8].upper()
        self.digits = [(f"{mark}-{place}", 100 + place) for place in range(3)]
        for sku, price in self.digits:
            self._sell(sku, price, units)
        self.none_left, self.scarce = f"{mark}-NONE", f"{mark}-FEW"
        self._sell(self.none_left, 500, 0)
        self._sell(self.scarce, 500, self.few)
        return self

    def register(self, number: int) -> str:
        """A new till's id."""
        name = f"Till {number} {uuid4()}"
        answer = self.mesh.http.post("/v1/tills", json={"name": name}, headers=self.mesh.headers("manager"))
        assert answer.status_code < 300, answer.text
        till: str = answer.json()["till"]["id"]
        return till

    def _sell(self, sku: str, price: int, units: int) -> None:
        post, headers = self.mesh.http.post, self.mesh.headers
        product = {"sku": sku, "name": sku, "price": {"currencyCode": "EUR", "minorUnits": str(price)}}
        answer = post("/v1/products", json=product, headers=headers("manager"))
        assert answer.status_code < 300, answer.text
        if units:
            stocked = post(
                f"/v1/inventory/{sku}:restock", json={"quantity": units}, headers=headers("manager")
            )
            assert stocked.status_code < 300, stocked.text


class Till:
    """One till: its sales by number, how each must end, and its stubborn sending."""

    def __init__(self, shop: Shop, number: int, sales: int, chance: random.Random) -> None:
        self.id = shop.register(number)
        self.expected: dict[int, str] = {}
        self.sold = [self._sale(shop, sequence, chance) for sequence in range(1, sales + 1)]
        self.answers: Counter[str] = Counter()
        self._chance = chance

    def send(self, http: httpx.Client, headers: dict[str, str], until: float) -> None:
        """Send every sale, in no order and some twice, until the shop has answered for each."""
        batches = [self.sold[at : at + BATCH] for at in range(0, len(self.sold), BATCH)]
        for batch in [*batches, *self._chance.sample(batches, len(batches) // 2)]:
            shuffled = self._chance.sample(batch, len(batch))
            while not self._send(http, headers, shuffled):
                assert time.monotonic() < until, self.answers
                time.sleep(self._chance.uniform(0.1, 0.5))

    def _send(self, http: httpx.Client, headers: dict[str, str], batch: Sequence[Any]) -> bool:
        try:
            answer = http.post(
                "/v1/offlineOrders:sync", json={"till": self.id, "sales": batch}, headers=headers
            )
        except httpx.TransportError as lost:
            self.answers[type(lost).__name__] += 1
            return False
        self.answers[str(answer.status_code)] += 1
        assert answer.status_code in {200, 401, 429, 503, 504}, answer.text
        if answer.status_code != 200:
            return False
        kept = answer.json().get("accepted", 0) + answer.json().get("repeatedSales", 0)
        assert kept == len(batch), answer.text
        return True

    def _sale(self, shop: Shop, sequence: int, chance: random.Random) -> dict[str, Any]:
        digits = [int(digit) for digit in f"{sequence:03d}"]
        lines = [(sku, digit + 1) for (sku, _), digit in zip(shop.digits, digits, strict=True)]
        charged = sum((digit + 1) * price for (_, price), digit in zip(shop.digits, digits, strict=True))
        kind = chance.choices(list(KINDS), [share for share, _ in KINDS.values()])[0]
        extra = {"none": shop.none_left, "few": shop.scarce, "unknown": "NO-SUCH-SKU"}.get(kind)
        lines += [(extra, 1)] if extra else []
        charged += {"price": 1, "none": 500, "few": 500}.get(kind, 0)
        self.expected[sequence] = KINDS[kind][1]
        made = datetime(2026, 1, 1, tzinfo=UTC) - timedelta(seconds=chance.randrange(10**8))
        return {
            "sequence": str(sequence),
            "saleTime": made.isoformat().replace("+00:00", "Z"),
            "charged": {"currencyCode": "EUR", "minorUnits": str(charged)},
            "order": {
                "lines": [{"sku": sku, "quantity": quantity} for sku, quantity in lines],
                "tenders": [_tender(kind)],
            },
        }


class Judge:
    """Looks at what the shop and the provider say once all is over, and trusts no till."""

    def __init__(self, shop: Shop, tills: Sequence[Till]) -> None:
        self._mesh = shop.mesh
        self._shop = shop
        self._tills = tills

    def waiting(self) -> int:
        """Sales that have not ended."""
        return sum(int(self._report(till).get("waiting", 0)) for till in self._tills)

    def judge(self) -> None:
        """Fail for one sale lost, doubled, misjudged or out of order, or money that moved wrongly."""
        orders = self._orders()
        sold_of_few = 0
        for till in self._tills:
            mine = sorted(orders[till.id], key=lambda order: str(order["id"]))
            numbers = [self._number_of(order) for order in mine]
            conflicts = self._conflicts(till)
            paid = {n for n, order in zip(numbers, mine, strict=True) if _is_paid(order)}
            assert numbers == sorted(set(numbers)), "doubled or out of order"
            assert paid | conflicts.keys() == till.expected.keys(), "lost"
            assert not paid & conflicts.keys(), "both paid and in conflict"
            for number, expected in till.expected.items():
                if expected == "MAYBE":
                    assert conflicts.get(number, "OUT_OF_STOCK") == "OUT_OF_STOCK"
                    sold_of_few += number in paid
                else:
                    assert conflicts.get(number, "") == expected, (till.id, number)
        wanted_of_few = sum(list(till.expected.values()).count("MAYBE") for till in self._tills)
        assert sold_of_few == min(self._shop.few, wanted_of_few)
        self._judge_money([order for of_till in orders.values() for order in of_till])

    def _judge_money(self, orders: Sequence[dict[str, Any]]) -> None:
        captured = Counter(
            entry["order_id"] for entry in self._mesh.ledger() if entry["movement"] == "captured"
        )
        charged = {order["id"]: captured[order["id"]] for order in orders}
        assert charged == {order["id"]: int(_is_paid(order) and _is_by_card(order)) for order in orders}

    def _orders(self) -> dict[str, list[dict[str, Any]]]:
        """Every order of our tills."""
        found: dict[str, list[dict[str, Any]]] = {till.id: [] for till in self._tills}
        token = ""
        while True:
            page = self._get("/v1/orders", pageSize=1000, pageToken=token)
            for order in page.get("orders", []):
                if order.get("tillId", "") in found:
                    found[order["tillId"]].append(order)
            token = page.get("nextPageToken", "")
            if not token:
                return found

    def _number_of(self, order: dict[str, Any]) -> int:
        quantities = {line["sku"]: line["quantity"] for line in order["lines"]}
        return int("".join(str(quantities[sku] - 1) for sku, _ in self._shop.digits))

    def _conflicts(self, till: Till) -> dict[int, str]:
        conflicts: dict[int, str] = {}
        token = ""
        while True:
            report = self._report(till, pageSize=1000, pageToken=token)
            conflicts |= {int(one["sequence"]): one["reason"] for one in report.get("conflicts", [])}
            token = report.get("nextPageToken", "")
            if not token:
                return conflicts

    def _report(self, till: Till, **query: object) -> dict[str, Any]:
        return self._get(f"/v1/offlineOrders/{till.id}/report", **query)

    def _get(self, path: str, **query: object) -> dict[str, Any]:
        params = {name: str(value) for name, value in query.items()}
        answer = self._mesh.http.get(path, params=params, headers=self._mesh.headers())
        assert answer.status_code == 200, answer.text
        body: dict[str, Any] = answer.json()
        return body


def _tender(kind: str) -> dict[str, Any]:
    if kind == "cash":
        return {"cash": {}}
    return {"card": {"paymentMethod": DECLINED if kind == "declined" else VISA}}


def _is_by_card(order: dict[str, Any]) -> bool:
    return bool(order["payments"][0]["method"] == "card")


def _is_paid(order: dict[str, Any]) -> bool:
    return bool(order["state"] == "ORDER_STATE_COMPLETED")
