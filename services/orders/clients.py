"""Other services behind our ports. Their errors become ours here and nowhere else."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import grpc
from tillmesh.auth.v1 import security_pb2, security_pb2_grpc
from tillmesh.payments.v1 import payments_pb2 as pb
from tillmesh.payments.v1 import payments_pb2_grpc as pb_grpc
from typing_extensions import override

from servicekit.clock import Clock
from servicekit.errors import Kind, PeerUnavailable
from servicekit.status import refusal_of
from services.orders import wire
from services.orders.model import Money, OrderId, Payment, PaymentId
from services.orders.model.offline import TillId
from services.orders.ports import PaymentRefused, Payments, PaymentUnsettled
from services.orders.ports.offline import Tills

if TYPE_CHECKING:
    from tillmesh.auth.v1.security_pb2_grpc import TillsServiceAsyncStub
    from tillmesh.payments.v1.payments_pb2_grpc import PaymentsServiceAsyncStub

NOT_VALID: Final = "PAYMENT_NOT_VALID"

KNOWN_SECONDS: Final = 60.0
"""How long a till stays known. Tills are never removed; this bounds what is remembered."""


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


class GrpcTills(Tills):
    """The tills, by gRPC from auth. One that is known is asked about once a minute at most."""

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
            raise PeerUnavailable("whether there is such a till cannot be told now") from error
        self._known_until[till_id] = self._clock.monotonic() + KNOWN_SECONDS
        return True
