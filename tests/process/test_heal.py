"""Killing any one process and starting it again heals without help; stopping one under load loses nothing."""

from __future__ import annotations

import signal
import threading
from collections import Counter
from typing import Self
from uuid import uuid4

import httpx
import pytest

from tests.process.mesh import Mesh, eventually

SERVICES = ("auth", "orders", "payments", "monitoring", "gateway")
EVERYTHING = (*SERVICES, "sandbox", "postgres", "valkey")


@pytest.mark.parametrize("name", EVERYTHING)
def test_a_killed_process_comes_back_and_orders_go_on(mesh: Mesh, name: str) -> None:
    old = mesh.kill(name)

    eventually(lambda: mesh.process(name)["pid"] not in (None, old))
    mesh.ready()

    assert mesh.order().json()["state"] == "ORDER_STATE_COMPLETED"


class Load:
    """Orders placed one after the other by a few tills, each repeated with its key until it is answered."""

    def __init__(self, mesh: Mesh, tills: int = 4) -> None:
        self._mesh = mesh
        self._stop = threading.Event()
        self.accepted: list[str] = []
        self.statuses: Counter[int] = Counter()
        self.lost: list[str] = []
        self._headers = mesh.headers()
        self._sku = mesh.sku
        self._tills = [threading.Thread(target=self._sell) for _ in range(tills)]

    def __enter__(self) -> Self:
        for till in self._tills:
            till.start()
        eventually(lambda: len(self.accepted) >= 2 * len(self._tills), 20)
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        for till in self._tills:
            till.join()

    def _sell(self) -> None:
        with httpx.Client(base_url=self._mesh.http.base_url, timeout=15, trust_env=False) as http:
            while not self._stop.is_set():
                self._place(http, str(uuid4()))

    def _place(self, http: httpx.Client, key: str) -> None:
        basket = {
            "lines": [{"sku": self._sku, "quantity": 1}],
            "tenders": [{"card": {"paymentMethod": "pm_card_visa"}}],
        }
        for _ in range(200):
            try:
                answer = http.post(
                    "/v1/orders", json=basket, headers=self._headers | {"Idempotency-Key": key}
                )
            except httpx.TransportError:
                self._stop.wait(0.1)
                continue
            self.statuses[answer.status_code] += 1
            if answer.status_code == 201:
                self.accepted.append(answer.json()["id"])
                return
            self._stop.wait(0.1)
        self.lost.append(key)


@pytest.mark.parametrize("name", SERVICES)
def test_a_process_told_to_stop_under_load_loses_no_accepted_order(mesh: Mesh, name: str) -> None:
    with Load(mesh) as load:
        old = mesh.kill(name, signal.SIGTERM)
        eventually(lambda: mesh.process(name)["pid"] not in (None, old))
        mesh.ready()
        accepted = len(load.accepted)
        eventually(lambda: len(load.accepted) > accepted + 4, 20)

    assert load.lost == []
    assert 500 not in load.statuses, load.statuses
    states = _settled(mesh, load.accepted)
    assert set(states.values()) == {"ORDER_STATE_COMPLETED"}
    charges = Counter(entry["order_id"] for entry in mesh.ledger() if entry["movement"] == "captured")
    assert {charges[order_id] for order_id in load.accepted} == {1}


def _settled(mesh: Mesh, orders: list[str]) -> dict[str, str]:
    """The state of each order, once none is on its way."""
    states: dict[str, str] = {}

    def all_settled() -> bool:
        for order_id in orders:
            if states.get(order_id) != "ORDER_STATE_COMPLETED":
                states[order_id] = mesh.http.get(f"/v1/orders/{order_id}", headers=mesh.headers()).json()[
                    "state"
                ]
        return set(states.values()) == {"ORDER_STATE_COMPLETED"}

    eventually(all_settled)
    return states
