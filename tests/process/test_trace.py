"""One trace, and one request id, through every process that a request touches."""

from __future__ import annotations

import json

from tests.process.mesh import Collector, Mesh, eventually


def test_one_trace_spans_gateway_orders_payments_and_the_provider(mesh: Mesh, collector: Collector) -> None:
    order = mesh.order().json()
    charge = next(entry for entry in mesh.ledger() if entry["order_id"] == order["id"])
    trace_id = charge["traceparent"].split("-")[1]

    eventually(
        lambda: {"gateway", "orders", "payments"} <= {service for service, _ in collector.of(trace_id)}, 10
    )

    by_id = {span.span_id: (service, span) for service, span in collector.of(trace_id)}
    provider_call = by_id[bytes.fromhex(charge["traceparent"].split("-")[2])]
    assert provider_call[0] == "payments"
    path = []
    step: tuple[str, object] | None = provider_call
    while step is not None:
        path.append(step[0])
        step = by_id.get(step[1].parent_span_id)  # type: ignore[attr-defined] # a protobuf message
    assert path[0] == "payments"
    assert path[-1] == "gateway"
    assert "orders" in path


def test_a_request_id_names_the_request_in_every_service(mesh: Mesh) -> None:
    request_id = "till-7.sale-42"

    answer = mesh.order(headers={"X-Request-ID": request_id})

    assert answer.headers["X-Request-ID"] == request_id
    eventually(lambda: request_id in _ids_logged(mesh, "orders"), 10)
    eventually(lambda: request_id in _ids_logged(mesh, "payments"), 10)


def _ids_logged(mesh: Mesh, service: str) -> set[str]:
    lines = (mesh.home / "logs" / f"{service}.log").read_text().splitlines()
    return {json.loads(line).get("request_id", "") for line in lines if line.startswith("{")}
