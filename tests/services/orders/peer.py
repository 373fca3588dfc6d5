"""A payments service on a real socket: the fake behind real gRPC and real health."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import grpc
from grpc_health.v1 import health_pb2_grpc
from tillmesh.payments.v1 import payments_pb2 as pb
from tillmesh.payments.v1 import payments_pb2_grpc as pb_grpc
from typing_extensions import override

from servicekit.errors import Refusal
from servicekit.health import Health, HealthServicer
from servicekit.status import code_of, trailers_of
from services.orders.model import Money, OrderId, Payment, PaymentId
from services.orders.ports import PaymentUnsettled
from tests.services.orders.fakes import FakePayments

Context = grpc.aio.ServicerContext[Any, Any]


class FakePaymentsServicer(pb_grpc.PaymentsServiceServicer):
    """Answers as `payments` does, or refuses with `refusal` while there is one."""

    def __init__(self, payments: FakePayments) -> None:
        self.payments = payments
        self.refusal: Refusal | None = None

    @override
    async def Authorize(self, request: pb.AuthorizeRequest, context: Context) -> pb.AuthorizeResponse:
        await self._refuse(context)
        amount = Money(request.amount.currency_code, request.amount.minor_units)
        payment = await self._answered(
            context, self.payments.authorize(OrderId(request.order_id), amount, request.payment_method)
        )
        return pb.AuthorizeResponse(payment=_payment(payment))

    @override
    async def Capture(self, request: pb.CaptureRequest, context: Context) -> pb.CaptureResponse:
        await self._refuse(context)
        payment = await self._answered(context, self.payments.capture(PaymentId(request.payment_id)))
        return pb.CaptureResponse(payment=_payment(payment))

    async def _refuse(self, context: Context) -> None:
        if self.refusal:
            refusal = self.refusal
            await context.abort(code_of(refusal), refusal.message, trailing_metadata=trailers_of(refusal))

    async def _answered(self, context: Context, answer: Any) -> Payment:
        try:
            payment: Payment = await answer
        except PaymentUnsettled:
            await context.abort(grpc.StatusCode.UNAVAILABLE, "nobody answers")
        return payment


@asynccontextmanager
async def payments_server(servicer: FakePaymentsServicer) -> AsyncIterator[str]:
    """Serve the fake; gives its address."""
    server, health = grpc.aio.server(), Health()
    health.set("", serving=True)
    pb_grpc.add_PaymentsServiceServicer_to_server(servicer, server)
    health_pb2_grpc.add_HealthServicer_to_server(HealthServicer(health), server)
    port = server.add_insecure_port("127.0.0.1:0")
    await server.start()
    try:
        yield f"127.0.0.1:{port}"
    finally:
        health.close()
        await server.stop(None)


def _payment(payment: Payment) -> pb.Payment:
    state = pb.PaymentState.Value(f"PAYMENT_STATE_{payment.state}")
    return pb.Payment(id=payment.id, state=state, decline_reason=payment.decline_reason)
