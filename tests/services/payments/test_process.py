"""Payments as a process of its own, between PostgreSQL and Stripe's stand-in."""

import asyncio
import contextlib
import json
import signal
import sys
from collections.abc import AsyncIterator, Callable
from typing import Any

import grpc
import pytest
import stripe as library
from google.api import httpbody_pb2
from grpc_health.v1 import health_pb2, health_pb2_grpc
from tillmesh.money.v1 import money_pb2
from tillmesh.payments.v1 import payments_pb2 as pb
from tillmesh.payments.v1 import payments_pb2_grpc as pb_grpc

from servicekit.clock import SystemClock, uuid7
from servicekit.crash_points import EXIT_CODE
from servicekit.errors import Kind
from servicekit.status import refusal_of
from servicekit.tokens import ServiceTokens

MESH_KEY = "k" * 32
WEBHOOK_SECRET = "whsec_process"
TEN_EUROS = money_pb2.Money(currency_code="EUR", minor_units=1000)


class Running:
    """The process, and the way to it."""

    def __init__(self, process: asyncio.subprocess.Process, channel: grpc.aio.Channel) -> None:
        self.process = process
        self.channel = channel
        self.stub: Any = pb_grpc.PaymentsServiceStub(channel)
        self._orders = ServiceTokens("orders", MESH_KEY.encode(), SystemClock())

    @property
    def metadata(self) -> tuple[tuple[str, str], ...]:
        """Proves that orders calls."""
        return (("x-tillmesh-service", self._orders.mint("payments")),)

    async def health(self) -> dict[str, bool]:
        listed = await health_pb2_grpc.HealthStub(self.channel).List(
            health_pb2.HealthListRequest(), wait_for_ready=True, timeout=20
        )
        serving = health_pb2.HealthCheckResponse.SERVING
        return {name: one.status == serving for name, one in listed.statuses.items()}

    async def until(self, name: str) -> None:
        """Ask until that name is SERVING: another process has no event that we could wait for."""
        async with asyncio.timeout(20):
            while not (await self.health()).get(name):
                await asyncio.sleep(0.05)

    async def authorize(self, order_id: str, card: str = "pm_card_visa", **to: Any) -> pb.Payment:
        request = pb.AuthorizeRequest(order_id=order_id, amount=TEN_EUROS, payment_method=card)
        answer = await self.stub.Authorize(request, metadata=self.metadata, timeout=8, **to)
        payment: pb.Payment = answer.payment
        return payment

    async def capture(self, payment_id: str) -> pb.Payment:
        request = pb.CaptureRequest(payment_id=payment_id)
        answer = await self.stub.Capture(request, metadata=self.metadata, timeout=8)
        payment: pb.Payment = answer.payment
        return payment

    async def capture_or_none(self, payment_id: str) -> pb.Payment | None:
        try:
            return await self.capture(payment_id)
        except grpc.aio.AioRpcError as error:
            if refusal_of(error).reason == "NOT_AUTHORIZED":
                return None
            raise


Start = Callable[..., contextlib.AbstractAsyncContextManager[Running]]


@pytest.fixture
def start(make_database: Callable[[str], str], free_ports: Callable[[int], list[int]]) -> Start:
    """Start the service against this address of Stripe."""
    database_url = make_database("services.payments")

    @contextlib.asynccontextmanager
    async def start(stripe_url: str, **more: str) -> AsyncIterator[Running]:
        port, nobody = free_ports(2)
        environ = {
            "GRPC_PORT": str(port),
            "HTTP_PORT": "0",
            "MESH_KEY": MESH_KEY,
            "AUTH_TARGET": f"127.0.0.1:{nobody}",
            "DATABASE_URL": database_url,
            "STRIPE_API_BASE": stripe_url,
            "STRIPE_API_KEY": "sk_test_process",
            "STRIPE_WEBHOOK_SECRET": WEBHOOK_SECRET,
            "GIFT_CARD_SECRET": "g" * 32,
            **more,
        }
        command = (sys.executable, "-m", "services.payments")
        process = await asyncio.create_subprocess_exec(*command, env=environ, stderr=asyncio.subprocess.PIPE)
        try:
            async with grpc.aio.insecure_channel(f"127.0.0.1:{port}") as channel:
                yield Running(process, channel)
        finally:
            if process.returncode is None:
                process.kill()
            await process.communicate()

    return start


async def test_it_holds_and_takes_money_and_stops_when_told(stripe: Any, start: Start) -> None:
    order = uuid7()
    async with start(stripe.url) as payments:
        await payments.until("readiness")
        await payments.until("dependency/stripe")

        held = await payments.authorize(order)
        taken = await payments.capture(held.id)
        declined = await payments.authorize(uuid7(), "pm_card_visa_chargeDeclined")
        payments.process.send_signal(signal.SIGTERM)
        code = await asyncio.wait_for(payments.process.wait(), 25)

    assert (held.state, taken.state) == (pb.PAYMENT_STATE_AUTHORIZED, pb.PAYMENT_STATE_CAPTURED)
    assert (taken.order_id, taken.amount, taken.provider_id[:3]) == (order, TEN_EUROS, "pi_")
    assert (declined.state, declined.decline_reason) == (pb.PAYMENT_STATE_DECLINED, "generic_decline")
    assert await stripe.movements() == ["authorised", "captured"]
    assert code == 0


async def test_a_killed_process_that_is_started_again_holds_once(stripe: Any, start: Start) -> None:
    order = uuid7()
    await stripe.switch_on(kind="latency", count=1, seconds=0.5, operation="payment_intents.create")
    async with start(stripe.url) as payments:
        await payments.until("readiness")
        asking = asyncio.create_task(payments.authorize(order))
        await asyncio.sleep(0.25)
        payments.process.kill()
        with pytest.raises(grpc.aio.AioRpcError):
            await asking

    async with start(stripe.url) as payments:
        await payments.until("readiness")
        settled = await payments.authorize(order)

    assert settled.state == pb.PAYMENT_STATE_AUTHORIZED
    assert await stripe.movements() == ["authorised"]


async def test_without_stripe_it_is_ready_says_so_and_leaves_payments_unknown(
    start: Start, free_ports: Callable[[int], list[int]]
) -> None:
    (nobody,) = free_ports(1)
    async with start(f"http://127.0.0.1:{nobody}") as payments:
        await payments.until("readiness")

        unknown = await payments.authorize(uuid7())

        assert unknown.state == pb.PAYMENT_STATE_UNKNOWN
        health = await payments.health()
        assert (health["readiness"], health["dependency/stripe"]) == (True, False)


async def test_bad_calls_have_their_own_refusals(stripe: Any, start: Start) -> None:
    async with start(stripe.url) as payments:
        await payments.until("readiness")
        unknown_id = pb.CaptureRequest(payment_id=uuid7())

        with pytest.raises(grpc.aio.AioRpcError) as invalid:
            await payments.stub.Authorize(pb.AuthorizeRequest(), metadata=payments.metadata)
        with pytest.raises(grpc.aio.AioRpcError) as missing:
            await payments.stub.Capture(unknown_id, metadata=payments.metadata)
        with pytest.raises(grpc.aio.AioRpcError) as stranger:
            await payments.stub.Capture(unknown_id)

    assert refusal_of(invalid.value).kind is Kind.INVALID_ARGUMENT
    assert {violation.field for violation in refusal_of(invalid.value).violations} == {
        "order_id",
        "amount.currency_code",
        "amount.minor_units",
        "payment_method",
    }
    assert refusal_of(missing.value).reason == "PAYMENT_NOT_FOUND"
    assert refusal_of(stranger.value).kind in {Kind.UNAUTHENTICATED, Kind.PERMISSION_DENIED}


async def test_it_voids_and_refunds_and_splits(stripe: Any, start: Start) -> None:
    order = uuid7()
    part = money_pb2.Money(currency_code="EUR", minor_units=400)
    async with start(stripe.url) as payments:
        await payments.until("readiness")
        cash = pb.AuthorizeRequest(order_id=order, amount=TEN_EUROS, method=pb.PAYMENT_METHOD_CASH, share=1)

        held = await payments.authorize(order)
        beside = (await payments.stub.Authorize(cash, metadata=payments.metadata)).payment
        voided = await payments.stub.Void(pb.VoidRequest(payment_id=beside.id), metadata=payments.metadata)
        capture = pb.CaptureRequest(payment_id=held.id, amount=TEN_EUROS)
        await payments.stub.Capture(capture, metadata=payments.metadata)
        refund = pb.RefundRequest(payment_id=held.id, amount=part, refund_id=uuid7())
        refunded = await payments.stub.Refund(refund, metadata=payments.metadata)
        again = await payments.stub.Refund(refund, metadata=payments.metadata)

    assert voided.payment.state == pb.PAYMENT_STATE_VOIDED
    assert (refunded.payment.state, refunded.payment.refunded) == (pb.PAYMENT_STATE_PARTIALLY_REFUNDED, part)
    assert again == refunded
    assert await stripe.movements() == ["authorised", "captured", "refunded"]


async def test_an_event_settles_what_nobody_asks_about_and_a_forged_one_nothing(
    stripe: Any, start: Start
) -> None:
    await stripe.switch_on(kind="drop_after_commit", count=1, operation="payment_intents.confirm")
    async with start(stripe.url) as payments:
        await payments.until("readiness")
        unknown = await payments.authorize(uuid7())
        (listed,) = [each for each in await stripe.events() if each["type"].endswith("capturable_updated")]
        body = json.dumps(listed)
        webhooks: Any = pb_grpc.WebhooksServiceStub(payments.channel)
        event = httpbody_pb2.HttpBody(data=body.encode())

        with pytest.raises(grpc.aio.AioRpcError) as forged:
            await webhooks.ReceiveStripeEvent(pb.ReceiveStripeEventRequest(event=event, signature="t=1,v1=0"))
        signature = library.WebhookSignature.generate_signature_header(body, WEBHOOK_SECRET)
        signed = pb.ReceiveStripeEventRequest(event=event, signature=signature)
        for _ in range(2):
            await webhooks.ReceiveStripeEvent(signed)
        async with asyncio.timeout(8):  # The reconciler would not ask before that.
            while (await payments.capture_or_none(unknown.id)) is None:
                await asyncio.sleep(0.05)

    assert refusal_of(forged.value).reason == "SIGNATURE_INVALID"
    assert await stripe.movements() == ["authorised", "captured"]


async def test_a_process_that_dies_at_a_named_point_leaves_nothing_doubled(stripe: Any, start: Start) -> None:
    order = uuid7()
    async with start(stripe.url, CRASH_POINT="provider.hold:after") as payments:
        await payments.until("readiness")
        with pytest.raises(grpc.aio.AioRpcError):
            await payments.authorize(order)
        assert await payments.process.wait() == EXIT_CODE

    async with start(stripe.url) as payments:
        await payments.until("readiness")
        settled = await payments.authorize(order)

    assert settled.state == pb.PAYMENT_STATE_AUTHORIZED
    assert await stripe.movements() == ["authorised"]
