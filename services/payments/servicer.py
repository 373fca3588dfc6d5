"""The RPCs of payments: decode, one use case, encode."""

from __future__ import annotations

from typing import Any

import grpc
from tillmesh.payments.v1 import payments_pb2 as pb
from tillmesh.payments.v1.payments_pb2_grpc import (
    GiftCardsServiceServicer,
    PaymentsServiceServicer,
    WebhooksServiceServicer,
)
from typing_extensions import override

from servicekit.context import current
from services.payments import wire
from services.payments.usecases import GiftCards, Listening, Payments, Refunds

Context = grpc.aio.ServicerContext[Any, Any]


class PaymentsServicer(PaymentsServiceServicer):
    """PaymentsService; see the proto."""

    def __init__(self, payments: Payments, refunds: Refunds) -> None:
        self._payments = payments
        self._refunds = refunds

    @override
    async def Authorize(self, request: pb.AuthorizeRequest, context: Context) -> pb.AuthorizeResponse:
        """See the proto."""
        payment = await self._payments.authorize(
            request.order_id,
            wire.money(request.amount),
            request.payment_method,
            method=wire.method(request.method),
            share=request.share,
        )
        return pb.AuthorizeResponse(payment=wire.payment_message(payment))

    @override
    async def Capture(self, request: pb.CaptureRequest, context: Context) -> pb.CaptureResponse:
        """See the proto."""
        payment = await self._payments.capture(request.payment_id, wire.part(request))
        return pb.CaptureResponse(payment=wire.payment_message(payment))

    @override
    async def Void(self, request: pb.VoidRequest, context: Context) -> pb.VoidResponse:
        """See the proto."""
        payment = await self._payments.void(request.payment_id)
        return pb.VoidResponse(payment=wire.payment_message(payment))

    @override
    async def Refund(self, request: pb.RefundRequest, context: Context) -> pb.RefundResponse:
        """See the proto."""
        payment = await self._refunds.refund(request.payment_id, request.refund_id, wire.part(request))
        return pb.RefundResponse(payment=wire.payment_message(payment))

    @override
    async def GetPayment(self, request: pb.GetPaymentRequest, context: Context) -> pb.GetPaymentResponse:
        """See the proto."""
        return pb.GetPaymentResponse(payment=wire.payment_message(await self._payments.get(request.id)))


class WebhooksServicer(WebhooksServiceServicer):
    """WebhooksService; see the proto."""

    def __init__(self, listening: Listening) -> None:
        self._listening = listening

    @override
    async def ReceiveStripeEvent(
        self, request: pb.ReceiveStripeEventRequest, context: Context
    ) -> pb.ReceiveStripeEventResponse:
        """See the proto."""
        await self._listening.receive(request.event.data, request.signature)
        return pb.ReceiveStripeEventResponse()


class GiftCardsServicer(GiftCardsServiceServicer):
    """GiftCardsService; see the proto."""

    def __init__(self, gift_cards: GiftCards) -> None:
        self._gift_cards = gift_cards

    @override
    async def IssueGiftCard(
        self, request: pb.IssueGiftCardRequest, context: Context
    ) -> pb.IssueGiftCardResponse:
        """See the proto."""
        asked = current()
        issued = await self._gift_cards.issue(
            wire.money(request.amount), subject=asked.caller.subject, key=asked.idempotency_key
        )
        return wire.gift_card_message(issued)
