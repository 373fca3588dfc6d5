"""The offline queue on real sockets: batches and streams of them, tills that auth knows, and reports."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Any

import grpc
import pytest
from grpc_health.v1 import health_pb2_grpc
from tillmesh.auth.v1 import security_pb2, security_pb2_grpc
from tillmesh.orders.v1 import offline_pb2 as pb
from tillmesh.orders.v1 import offline_pb2_grpc as pb_grpc
from typing_extensions import override

from servicekit.errors import Kind
from servicekit.health import Health, HealthServicer
from servicekit.settings import load
from servicekit.status import RemoteRefusal, code_of, refusal_of, trailers_of
from services.orders.config import OrdersSettings
from tests.services.orders.fakes import FakePayments
from tests.services.orders.offline import OTHER_TILL, TILL, message_of
from tests.services.orders.peer import FakePaymentsServicer, payments_server
from tests.services.orders.test_service import MESH_KEY, Client, bearer, serving

Context = grpc.aio.ServicerContext[Any, Any]
Metadata = tuple[tuple[str, str], ...]


def carl() -> Metadata:
    return (("authorization", bearer("carl", "cashier")),)


class FakeTillsServicer(security_pb2_grpc.TillsServiceServicer):
    """Knows one till, as auth would."""

    @override
    async def CheckTill(
        self, request: security_pb2.CheckTillRequest, context: Context
    ) -> security_pb2.CheckTillResponse:
        if request.id != TILL:
            refusal = RemoteRefusal(Kind.NOT_FOUND, "TILL_NOT_FOUND", "There is no till with this id.")
            await context.abort(code_of(refusal), refusal.message, trailing_metadata=trailers_of(refusal))
        return security_pb2.CheckTillResponse(till=security_pb2.Till(id=request.id))


@asynccontextmanager
async def auth_server() -> AsyncIterator[str]:
    server, health = grpc.aio.server(), Health()
    health.set("", serving=True)
    security_pb2_grpc.add_TillsServiceServicer_to_server(FakeTillsServicer(), server)
    health_pb2_grpc.add_HealthServicer_to_server(HealthServicer(health), server)
    port = server.add_insecure_port("127.0.0.1:0")
    await server.start()
    try:
        yield f"127.0.0.1:{port}"
    finally:
        health.close()
        await server.stop(None)


class Offline:
    """A till's way to the service, and the world around it."""

    def __init__(self, channel: grpc.aio.Channel, payments: FakePayments, auth: AsyncExitStack) -> None:
        self.stub: Any = pb_grpc.OfflineOrdersServiceStub(channel)
        self.shop = Client(channel)
        self.payments = payments
        self.auth = auth

    async def sync(self, *sales: pb.OfflineSale, till: str = TILL, metadata: Metadata = ()) -> Any:
        request = pb.SyncOfflineOrdersRequest(till=till, sales=sales)
        return await self.stub.SyncOfflineOrders(request, metadata=metadata or carl(), timeout=10)

    async def refused(self, call: Any) -> RemoteRefusal:
        with pytest.raises(grpc.aio.AioRpcError) as error:
            await call
        return refusal_of(error.value)

    async def report(self) -> pb.GetOfflineReportResponse:
        request = pb.GetOfflineReportRequest(till=TILL)
        answer: pb.GetOfflineReportResponse = await self.stub.GetOfflineReport(request, metadata=carl())
        return answer

    async def ended(self) -> pb.GetOfflineReportResponse:
        """The report once nothing waits."""
        async with asyncio.timeout(20):
            while (report := await self.report()).waiting:
                await asyncio.sleep(0.05)
        return report


@pytest.fixture
async def offline(
    make_database: Callable[[str | None], str], free_ports: Callable[[int], list[int]]
) -> AsyncIterator[Offline]:
    payments, (port,) = FakePayments(), free_ports(1)
    async with AsyncExitStack() as auth, payments_server(FakePaymentsServicer(payments)) as payments_target:
        environ = {
            "GRPC_PORT": str(port),
            "HTTP_PORT": "0",
            "MESH_KEY": MESH_KEY,
            "DATABASE_URL": make_database("services.orders"),
            "PAYMENTS_TARGET": payments_target,
            "AUTH_TARGET": await auth.enter_async_context(auth_server()),
            "DRAIN_SECONDS": "5",
            "OFFLINE_SALES_PER_TILL": "1000",
        }
        async with (
            serving(load(OrdersSettings, environ)),
            grpc.aio.insecure_channel(f"127.0.0.1:{port}") as channel,
        ):
            yield Offline(channel, payments, auth)


async def test_a_batch_becomes_orders_and_conflicts(offline: Offline) -> None:
    await offline.shop.sell("TEA", units=3)

    answer = await offline.sync(message_of(1), message_of(2, quantity=3), message_of(0), message_of(3))
    report = await offline.ended()

    assert (answer.accepted, answer.repeated_sales) == (3, 0)
    assert [(row.index, row.sequence, row.reason) for row in answer.refused] == [(2, 0, "INVALID_ARGUMENT")]
    assert [violation.field for violation in answer.refused[0].violations] == ["sequence"]
    assert (report.completed, report.conflicted, len(report.gaps)) == (2, 1, 0)
    (conflict,) = report.conflicts
    assert (conflict.sequence, conflict.reason, conflict.order_id) == (2, "OUT_OF_STOCK", "")
    assert conflict.charged.minor_units == 750
    assert sorted(offline.payments.charges.values()) == [1, 1]


async def test_a_restricted_sale_needs_the_age_check_of_its_till(offline: Offline) -> None:
    await offline.shop.sell("WINE", minimum_age=18)
    unchecked, checked, too_young = (message_of(number, "WINE") for number in (1, 2, 3))
    for sale, is_met in ((checked, True), (too_young, False)):
        sale.age_check.method, sale.age_check.minimum_age_met = "identity_card", is_met

    await offline.sync(unchecked, checked, too_young)
    report = await offline.ended()

    conflicts = [(one.sequence, one.reason, bool(one.order_id)) for one in report.conflicts]
    assert conflicts == [(1, "AGE_CHECK_NOT_DONE", False), (3, "AGE_NOT_MET", True)]
    assert sorted(offline.payments.charges.values()) == [1]


async def test_a_stream_answers_each_batch_in_turn(offline: Offline) -> None:
    await offline.shop.sell("TEA")
    batches = [[message_of(1), message_of(2)], [message_of(2), message_of(3)], [message_of(3, quantity=2)]]

    stream = offline.stub.StreamOfflineOrders(metadata=carl(), timeout=10)
    answers = []
    for batch in batches:
        await stream.write(pb.StreamOfflineOrdersRequest(till=TILL, sales=batch))
        answers.append(await stream.read())
    await stream.done_writing()
    report = await offline.ended()

    assert [(one.accepted, one.repeated_sales, len(one.refused)) for one in answers] == [
        (2, 0, 0),
        (1, 1, 0),
        (0, 0, 1),
    ]
    assert answers[2].refused[0].reason == "SEQUENCE_REUSED"
    assert report.completed == 3


async def test_a_stream_that_is_refused_keeps_what_it_answered_for(offline: Offline) -> None:
    await offline.shop.sell("TEA")
    stream = offline.stub.StreamOfflineOrders(metadata=carl(), timeout=10)

    await stream.write(pb.StreamOfflineOrdersRequest(till=TILL, sales=[message_of(1)]))
    await stream.read()
    await stream.write(pb.StreamOfflineOrdersRequest(till=OTHER_TILL, sales=[message_of(1)]))
    refusal = await offline.refused(stream.read())

    assert refusal.reason == "UNKNOWN_TILL"
    assert (await offline.ended()).completed == 1


async def test_only_the_staff_and_only_known_tills_may_send(offline: Offline) -> None:
    alice = (("authorization", bearer("alice", "customer")),)

    stranger = await offline.refused(offline.sync(message_of(1), metadata=alice))
    unknown = await offline.refused(offline.sync(message_of(1), till=OTHER_TILL))
    empty = await offline.refused(offline.sync())

    assert stranger.kind is Kind.PERMISSION_DENIED
    assert (unknown.kind, unknown.reason) == (Kind.NOT_FOUND, "UNKNOWN_TILL")
    assert [violation.field for violation in empty.violations] == ["sales"]


async def test_while_auth_is_away_a_till_that_was_seen_goes_on_and_others_keep_their_sales(
    offline: Offline,
) -> None:
    await offline.shop.sell("TEA")
    await offline.sync(message_of(1))
    await offline.auth.aclose()

    known = await offline.sync(message_of(2))
    other = await offline.refused(offline.sync(message_of(1), till=OTHER_TILL))

    assert known.accepted == 1
    assert (other.kind, other.reason) == (Kind.UNAVAILABLE, "PEER_UNAVAILABLE")


async def test_a_full_queue_tells_the_till_when_to_return(offline: Offline) -> None:
    await offline.shop.sell("TEA", units=1_000_000)
    offline.payments.outages = 1_000_000

    full = await offline.sync(*(message_of(number) for number in range(1, 1001)))
    refusal = await offline.refused(offline.sync(message_of(1001)))
    again = await offline.sync(message_of(1), message_of(1000))

    assert full.accepted == 1000
    assert (refusal.kind, refusal.reason) == (Kind.RESOURCE_EXHAUSTED, "OFFLINE_QUEUE_FULL")
    assert refusal.retry_after_seconds == 10
    assert again.repeated_sales == 2
