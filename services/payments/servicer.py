"""The RPCs of payments: decode, one use case, encode."""

from __future__ import annotations

from typing import Any

import grpc
from tillmesh.payments.v1 import payments_pb2 as pb
from tillmesh.payments.v1.payments_pb2_grpc import PaymentsServiceServicer
from typing_extensions import override

from services.payments import wire
from services.payments.usecases import Payments

Context = grpc.aio.ServicerContext[Any, Any]


class PaymentsServicer(PaymentsServiceServicer):
    """PaymentsService; see the proto. Void and Refund are planned: the chain answers for them."""

    def __init__(self, payments: Payments) -> None:
        self._payments = payments

    @override
    async def Authorize(self, request: pb.AuthorizeRequest, context: Context) -> pb.AuthorizeResponse:
        """See the proto."""
        payment = await self._payments.authorize(
            request.order_id, wire.money(request.amount), request.payment_method
        )
        return pb.AuthorizeResponse(payment=wire.payment_message(payment))

    @override
    async def Capture(self, request: pb.CaptureRequest, context: Context) -> pb.CaptureResponse:
        """See the proto."""
        payment = await self._payments.capture(request.payment_id)
        return pb.CaptureResponse(payment=wire.payment_message(payment))

    @override
    async def GetPayment(self, request: pb.GetPaymentRequest, context: Context) -> pb.GetPaymentResponse:
        """See the proto."""
        return pb.GetPaymentResponse(payment=wire.payment_message(await self._payments.get(request.id)))
