"""Other services behind our ports. Their errors become ours here and nowhere else."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final
from uuid import UUID, uuid5

import grpc
from tillmesh.auth.v1 import security_pb2, security_pb2_grpc
from tillmesh.payments.v1 import payments_pb2 as pb
from tillmesh.payments.v1 import payments_pb2_grpc as pb_grpc
from typing_extensions import override

from servicekit.clock import Clock
from servicekit.errors import Kind, PeerUnavailable
from servicekit.status import refusal_of
from services.orders import wire
from services.orders.model import Money, OrderId, Payment, PaymentId, RefundId, Tender
from services.orders.model.offline import TillId
from services.orders.ports import PaymentRefused, Payments, PaymentTaken, PaymentUnsettled
from services.orders.ports.offline import Tills

if TYPE_CHECKING:
    from tillmesh.auth.v1.security_pb2_grpc import TillsServiceAsyncStub
    from tillmesh.payments.v1.payments_pb2_grpc import PaymentsServiceAsyncStub

NOT_VALID: Final = "PAYMENT_NOT_VALID"
NOT_HELD: Final = "PAYMENT_NOT_HELD"
"""What was held has been let go of, by the provider or in time."""

KNOWN_SECONDS: Final = 60.0
"""How long a till stays known: tills are never removed, so this bounds nothing but surprise."""


_PAYMENTS: Final = UUID("6f0d7f0e-4d5b-5a8c-9d3e-7c1f5e2b9a64")
"""The namespace that payments derives its ids in (payments.proto)."""


class GrpcPayments(Payments):
    """The payments service, by gRPC.

    Only the refusals named below are answers. After any other error money may have moved, or may still.
    """

    def __init__(self, channel: grpc.aio.Channel) -> None:
        self._stub: PaymentsServiceAsyncStub = pb_grpc.PaymentsServiceStub(channel)

    @override
    def id_of(self, order_id: OrderId, share: int) -> PaymentId:
        return PaymentId(str(uuid5(_PAYMENTS, f"{order_id}/{share}" if share else order_id)))

    @override
    async def authorize(self, order_id: OrderId, share: int, tender: Tender) -> Payment:
        request = pb.AuthorizeRequest(
            order_id=order_id,
            amount=wire.money(tender.amount),
            payment_method=tender.handle,
            method=wire.method(tender.method),
            share=share,
        )
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
            refusal = refusal_of(error)
            if refusal.reason == "NOT_AUTHORIZED":
                raise PaymentRefused(NOT_HELD) from error
            raise PaymentUnsettled("unavailable", refusal.message) from error
        return wire.payment_of(answer.payment)

    @override
    async def void(self, payment_id: PaymentId) -> Payment:
        try:
            answer = await self._stub.Void(pb.VoidRequest(payment_id=payment_id))
        except grpc.aio.AioRpcError as error:
            refusal = refusal_of(error)
            if refusal.reason == "ALREADY_CAPTURED":
                raise PaymentTaken(refusal.message) from error
            raise PaymentUnsettled("unavailable", refusal.message) from error
        return wire.payment_of(answer.payment)

    @override
    async def refund(self, payment_id: PaymentId, amount: Money, refund_id: RefundId) -> Payment:
        request = pb.RefundRequest(payment_id=payment_id, amount=wire.money(amount), refund_id=refund_id)
        try:
            answer = await self._stub.Refund(request)
        except grpc.aio.AioRpcError as error:
            refusal = refusal_of(error)
            if refusal.kind in {Kind.INVALID_ARGUMENT, Kind.FAILED_PRECONDITION}:
                raise PaymentRefused(refusal.reason) from error
            raise PaymentUnsettled("unavailable", refusal.message) from error
        return wire.payment_of(answer.payment)


class GrpcTills(Tills):
    """The tills, by gRPC from auth. One that is known is asked about once a minute at most.

    Tills are never removed: while auth is away, one that was known still is.
    """

    def __init__(self, channel: grpc.aio.Channel, clock: Clock) -> None:
        self._stub: TillsServiceAsyncStub = security_pb2_grpc.TillsServiceStub(channel)
        self._clock = clock
        self._known_until: dict[TillId, float] = {}

    @override
    async def is_known(self, till_id: TillId) -> bool:
        if self._known_until.get(till_id, 0) > self._clock.monotonic():
            return True
        try:
            await self._stub.CheckTill(security_pb2.CheckTillRequest(id=till_id))
        except grpc.aio.AioRpcError as error:
            refusal = refusal_of(error)
            if refusal.kind is Kind.NOT_FOUND:
                return False
            if till_id in self._known_until:
                return True
            raise PeerUnavailable("whether there is such a till cannot be told now") from error
        self._known_until[till_id] = self._clock.monotonic() + KNOWN_SECONDS
        return True
