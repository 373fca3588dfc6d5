"""A real order through real processes, judged by the provider's ledger."""

from __future__ import annotations

import json
from uuid import uuid4

import pytest

from tests.process.mesh import Mesh


def entries_of(mesh: Mesh, order_id: str) -> list[str]:
    return [entry["movement"] for entry in mesh.ledger() if entry["order_id"] == order_id]


def test_an_order_is_paid_and_stands_in_the_providers_ledger(mesh: Mesh) -> None:
    answer = mesh.order()

    assert answer.status_code == 201, answer.text
    order = answer.json()
    assert order["state"] == "ORDER_STATE_COMPLETED"
    assert answer.headers["Location"] == f"/v1/orders/{order['id']}"
    assert entries_of(mesh, order["id"]) == ["authorised", "captured"]


def test_a_declined_card_is_an_outcome_and_takes_no_stock(mesh: Mesh) -> None:
    before = mesh.http.get(f"/v1/inventory/{mesh.sku}", headers=mesh.headers()).json()

    answer = mesh.order(card="pm_card_visa_chargeDeclinedInsufficientFunds")

    assert answer.status_code == 201, answer.text
    assert answer.json()["state"] == "ORDER_STATE_REJECTED"
    assert answer.json()["stateReason"] == "INSUFFICIENT_FUNDS"
    after = mesh.http.get(f"/v1/inventory/{mesh.sku}", headers=mesh.headers()).json()
    assert after["available"] == before["available"]


def test_repeating_a_key_charges_once(mesh: Mesh) -> None:
    key = str(uuid4())

    first, again = mesh.order(key=key), mesh.order(key=key)

    assert first.json() == again.json()
    assert entries_of(mesh, first.json()["id"]) == ["authorised", "captured"]


def test_tillmesh_try_places_an_order(mesh: Mesh) -> None:
    tried = mesh.tillmesh("try", "--json")

    assert tried.returncode == 0, tried.stderr
    assert "ORDER_STATE_COMPLETED" in json.dumps(json.loads(tried.stdout))


def test_the_mesh_shows_every_service_and_what_it_needs(mesh: Mesh) -> None:
    graph = mesh.http.get("/v1/mesh", headers=mesh.headers("manager")).json()

    states = {node["name"]: node["state"] for node in graph["nodes"]}
    edges = {(edge["source"], edge["target"]) for edge in graph["edges"]}
    assert {states[name] for name in ("auth", "orders", "payments", "monitoring")} == {"NODE_STATE_SERVING"}
    assert ("orders", "payments") in edges
    assert ("payments", "stripe") in edges


def test_reports_and_receipts_are_read_over_http(mesh: Mesh) -> None:
    admin = mesh.headers("admin")
    order = mesh.order().json()

    business = mesh.http.get("/v1/businessMetrics", headers=admin)
    checks = mesh.http.get("/v1/reports/compliance.csv", headers={**admin, "Accept": "text/csv"})
    receipt = mesh.http.get(f"/v1/orders/{order['id']}/receipt", headers=admin)

    assert int(business.json()["ordersLastHour"]) >= 1
    assert checks.headers["Content-Type"] == "text/csv; charset=utf-8"
    assert checks.text.startswith("time,order_id,method,")
    assert f"Order {order['id']}" in receipt.text


@pytest.mark.parametrize(
    ("path", "status"),
    [("/v1/alerts", 501), ("/v1/slos", 501), ("/v1/nothing", 404)],
)
def test_what_is_not_there_yet_says_so(mesh: Mesh, path: str, status: int) -> None:
    answer = mesh.http.get(path, headers=mesh.headers("admin"))

    assert answer.status_code == status
    assert answer.headers["Content-Type"].startswith("application/problem+json")
    assert answer.headers["X-Request-ID"] == answer.json()["requestId"]
