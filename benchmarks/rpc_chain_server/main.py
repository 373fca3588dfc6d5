"""One gRPC server for `rpc_chain`: `bare`, or `full` as every service runs."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Any

import grpc
import uvloop
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from jwt.algorithms import OKPAlgorithm
from tillmesh.money.v1 import money_pb2
from tillmesh.orders.v1 import orders_pb2, orders_pb2_grpc
from typing_extensions import override

from servicekit.kit import Kit
from servicekit.serve import serve
from servicekit.settings import ServiceSettings

PUBLIC_KEY = "BENCH_PUBLIC_KEY"
KEY_ID = "bench"

ORDER = orders_pb2.Order(
    id="01980a3e-0000-7000-8000-000000000001",
    state=orders_pb2.ORDER_STATE_COMPLETED,
    lines=[
        orders_pb2.OrderLine(
            sku=f"TEA-{number}",
            name="Black tea",
            quantity=number,
            unit_price=money_pb2.Money(currency_code="EUR", minor_units=499),
        )
        for number in range(1, 4)
    ],
    total=money_pb2.Money(currency_code="EUR", minor_units=2994),
)


class FixedOrders(orders_pb2_grpc.OrdersServiceServicer):
    """Answers one order, at once: what is left is the cost of the call."""

    @override
    async def GetOrder(
        self, request: orders_pb2.GetOrderRequest, context: Any
    ) -> orders_pb2.GetOrderResponse:
        return orders_pb2.GetOrderResponse(order=ORDER)


async def _bare(port: int) -> None:
    server = grpc.aio.server(options=[("grpc.so_reuseport", 0)])
    orders_pb2_grpc.add_OrdersServiceServicer_to_server(FixedOrders(), server)
    server.add_insecure_port(f"127.0.0.1:{port}")
    await server.start()
    await server.wait_for_termination()


def _full(environ: Mapping[str, str]) -> int:
    public = Ed25519PublicKey.from_public_bytes(bytes.fromhex(environ[PUBLIC_KEY]))
    jwk = {**OKPAlgorithm.to_jwk(public, as_dict=True), "kid": KEY_ID, "alg": "EdDSA", "use": "sig"}

    async def keys() -> Mapping[str, Any]:
        return {"keys": [jwk]}

    async def build(kit: Kit[ServiceSettings]) -> None:
        kit.keys(keys)
        kit.add(orders_pb2_grpc.add_OrdersServiceServicer_to_server, FixedOrders())

    return serve("orders", ServiceSettings, build, environ)


def main(name: str, environ: Mapping[str, str]) -> int:
    """Serve until terminated; returns the exit code."""
    if name == "full":
        return _full(environ)
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(_bare(int(environ["GRPC_PORT"])))
    return 0
