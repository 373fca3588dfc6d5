"""A payments service on a real socket: the fake behind real gRPC and real health."""

from __future__ import annotations

from collections.abc import AsyncIterator, Coroutine
from contextlib import asynccontextmanager
from typing import Any

import grpc
from grpc_health.v1 import health_pb2_grpc
from tillmesh.money.v1 import money_pb2
from tillmesh.payments.v1 import payments_pb2 as pb
from tillmesh.payments.v1 import payments_pb2_grpc as pb_grpc
from typing_extensions import override

from servicekit.errors import Kind, Refusal
from servicekit.health import Health, HealthServicer
from servicekit.status import code_of, trailers_of
from services.orders.model import Money, OrderId, Payment, PaymentId, RefundId, Tender, TenderMethod
from services.orders.ports import PaymentRefused, PaymentTaken, PaymentUnsettled
from tests.services.orders.fakes import FakePayments

Context = grpc.aio.ServicerContext[Any, Any]


class AlreadyCaptured(Refusal):
    kind = Kind.FAILED_PRECONDITION
    reason = "ALREADY_CAPTURED"


class NotAuthorized(Refusal):
    kind = Kind.FAILED_PRECONDITION
    reason = "NOT_AUTHORIZED"


class RefundTooLarge(Refusal):
    kind = Kind.INVALID_ARGUMENT
    reason = "REFUND_TOO_LARGE"


class FakePaymentsServicer(pb_grpc.PaymentsServiceServicer):
    """Answers as `payments` does, or refuses with `refusal` while there is one."""

    def __init__(self, payments: FakePayments) -> None:
        self.payments = payments
        self.refusal: Refusal | None = None

    @override
    async def Authorize(self, request: pb.AuthorizeRequest, context: Context) -> pb.AuthorizeResponse:
        method = TenderMethod(pb.PaymentMethod.Name(request.method).removeprefix("PAYMENT_METHOD_"))
        tender = Tender(method, request.payment_method, _money(request.amount))
        asked = self.payments.authorize(OrderId(request.order_id), request.share, tender)
        return pb.AuthorizeResponse(payment=await self._answered(context, asked))

    @override
    async def Capture(self, request: pb.CaptureRequest, context: Context) -> pb.CaptureResponse:
        asked = self.payments.capture(PaymentId(request.payment_id))
        return pb.CaptureResponse(payment=await self._answered(context, asked))

    @override
    async def Void(self, request: pb.VoidRequest, context: Context) -> pb.VoidResponse:
        asked = self.payments.void(PaymentId(request.payment_id))
        return pb.VoidResponse(payment=await self._answered(context, asked))

    @override
    async def Refund(self, request: pb.RefundRequest, context: Context) -> pb.RefundResponse:
        asked = self.payments.refund(
            PaymentId(request.payment_id), _money(request.amount), RefundId(request.refund_id)
        )
        return pb.RefundResponse(payment=await self._answered(context, asked))

    async def _answered(self, context: Context, asked: Coroutine[Any, Any, Payment]) -> pb.Payment:
        try:
            if self.refusal:
                raise self.refusal
            return _payment(await asked)
        except PaymentUnsettled as unsettled:
            await context.abort(grpc.StatusCode.UNAVAILABLE, str(unsettled))
        except PaymentTaken as taken:
            await _abort(context, AlreadyCaptured(str(taken)))
        except PaymentRefused as refused:
            refusal = NotAuthorized if refused.reason == "PAYMENT_NOT_HELD" else RefundTooLarge
            await _abort(context, refusal(refused.reason))
        except Refusal as refusal:
            await _abort(context, refusal)
        finally:
            asked.close()
        raise AssertionError("the call was aborted")


async def _abort(context: Context, refusal: Refusal) -> None:
    await context.abort(code_of(refusal), refusal.message, trailing_metadata=trailers_of(refusal))


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
    refunded = money_pb2.Money(currency_code="EUR", minor_units=payment.refunded_minor)
    return pb.Payment(id=payment.id, state=state, decline_reason=payment.decline_reason, refunded=refunded)


def _money(money: money_pb2.Money) -> Money:
    return Money(money.currency_code, money.minor_units)
