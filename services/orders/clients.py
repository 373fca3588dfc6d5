"""The payments service behind our port. Its errors become ours here and nowhere else."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import grpc
from tillmesh.payments.v1 import payments_pb2 as pb
from tillmesh.payments.v1 import payments_pb2_grpc as pb_grpc
from typing_extensions import override

from servicekit.errors import Kind
from servicekit.status import refusal_of
from services.orders import wire
from services.orders.model import Money, OrderId, Payment, PaymentId
from services.orders.ports import PaymentRefused, Payments, PaymentUnsettled

if TYPE_CHECKING:
    from tillmesh.payments.v1.payments_pb2_grpc import PaymentsServiceAsyncStub

NOT_VALID: Final = "PAYMENT_NOT_VALID"


class GrpcPayments(Payments):
    """The payments service, by gRPC.

    Only INVALID_ARGUMENT of `Authorize` is an answer: the payment will never be taken as it was
    asked for. After any other error money may have moved, or may still.
    """

    def __init__(self, channel: grpc.aio.Channel) -> None:
        self._stub: PaymentsServiceAsyncStub = pb_grpc.PaymentsServiceStub(channel)

    @override
    async def authorize(self, order_id: OrderId, amount: Money, handle: str) -> Payment:
        request = pb.AuthorizeRequest(order_id=order_id, amount=wire.money(amount), payment_method=handle)
        try:
            answer = await self._stub.Authorize(request)
        except grpc.aio.AioRpcError as error:
            refusal = refusal_of(error)
            if refusal.kind is Kind.INVALID_ARGUMENT:
                raise PaymentRefused(NOT_VALID) from error
            raise PaymentUnsettled("unavailable", refusal.message) from error
        return wire.payment_of(answer.payment)

    @override
    async def capture(self, payment_id: PaymentId) -> Payment:
        try:
            answer = await self._stub.Capture(pb.CaptureRequest(payment_id=payment_id))
        except grpc.aio.AioRpcError as error:
            raise PaymentUnsettled("unavailable", refusal_of(error).message) from error
        return wire.payment_of(answer.payment)
