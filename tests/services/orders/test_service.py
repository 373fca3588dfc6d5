"""The whole service on real sockets: the chain, PostgreSQL, the worker, and payments that are not ours."""

from __future__ import annotations

import asyncio
import base64
import time
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Any

import grpc
import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from tillmesh.money.v1 import money_pb2
from tillmesh.orders.v1 import (
    inventory_pb2,
    inventory_pb2_grpc,
    operations_pb2,
    operations_pb2_grpc,
    orders_pb2,
    orders_pb2_grpc,
    products_pb2,
    products_pb2_grpc,
    receipts_pb2,
    receipts_pb2_grpc,
)

from servicekit.clock import SystemClock, uuid7
from servicekit.errors import Kind
from servicekit.health import Health
from servicekit.instruments import Instruments
from servicekit.kit import Kit
from servicekit.process import Process
from servicekit.sentry import NullReporter
from servicekit.settings import load
from servicekit.status import RemoteRefusal, refusal_of
from servicekit.tokens import ServiceTokens
from servicekit.tracing import Tracing
from services.orders.config import OrdersSettings
from services.orders.main import build
from services.orders.model import OrderId
from tests.services.orders.fakes import DECLINED, VISA, FakePayments
from tests.services.orders.peer import FakePaymentsServicer, payments_server

MESH_KEY = "m" * 32
KEY = Ed25519PrivateKey.generate()
NEW_KEY = {"idempotency_key": "k2"}


async def key_set() -> Mapping[str, Any]:
    public = KEY.public_key().public_bytes(Encoding.Raw, PublicFormat.Raw)
    x = base64.urlsafe_b64encode(public).rstrip(b"=").decode()
    return {"keys": [{"kty": "OKP", "crv": "Ed25519", "kid": "k1", "x": x}]}


def bearer(subject: str, *roles: str) -> str:
    now = int(time.time())
    claims = {
        "iss": "tillmesh",
        "aud": "tillmesh",
        "sub": subject,
        "roles": roles,
        "iat": now,
        "exp": now + 60,
    }
    return f"Bearer {jwt.encode(claims, KEY, 'EdDSA', headers={'kid': 'k1'})}"


def settings_for(database_url: str, payments_target: str, port: int) -> OrdersSettings:
    environ = {
        "GRPC_PORT": str(port),
        "HTTP_PORT": "0",
        "MESH_KEY": MESH_KEY,
        "DATABASE_URL": database_url,
        "PAYMENTS_TARGET": payments_target,
        "DRAIN_SECONDS": "5",
    }
    return load(OrdersSettings, environ)


@asynccontextmanager
async def serving(settings: OrdersSettings) -> AsyncIterator[Kit[OrdersSettings]]:
    """The service, from its composition root to its drain."""
    stop, tracing = asyncio.Event(), Tracing("orders", settings)
    lost: list[BaseException] = []
    async with AsyncExitStack() as lifetime:
        lifetime.callback(tracing.shutdown, 1)
        kit = Kit(
            name="orders",
            settings=settings,
            clock=SystemClock(),
            make_id=uuid7,
            instruments=Instruments("orders"),
            health=Health(),
            tracers=tracing.provider,
            reporter=NullReporter(),
            service_tokens=ServiceTokens("orders", MESH_KEY.encode(), SystemClock()),
            lifetime=lifetime,
        )
        await build(kit)
        kit.keys(key_set)
        async with asyncio.TaskGroup() as group:
            group.create_task(Process(kit, lost.append).run(stop))
            while not kit.health.is_serving("readiness"):
                await asyncio.sleep(0.01)
            yield kit
            stop.set()
    assert not lost


class Client:
    """A caller of the service."""

    def __init__(self, channel: grpc.aio.Channel) -> None:
        self._channel = channel

    async def call(self, stub: Any, method: str, request: Any, **metadata: str) -> Any:
        sent = tuple((name.replace("_", "-"), value) for name, value in metadata.items())
        return await getattr(stub(self._channel), method)(request, metadata=sent, timeout=10)

    async def refusal(self, stub: Any, method: str, request: Any, **metadata: str) -> RemoteRefusal:
        with pytest.raises(grpc.aio.AioRpcError) as error:
            await self.call(stub, method, request, **metadata)
        return refusal_of(error.value)

    async def watch(self, order_id: str) -> list[orders_pb2.WatchOrderResponse]:
        metadata = (("authorization", bearer("alice", "customer")),)
        stub = orders_pb2_grpc.OrdersServiceStub(self._channel)
        call: Any = stub.WatchOrder(orders_pb2.WatchOrderRequest(id=order_id), metadata=metadata, timeout=10)
        return [event async for event in call]

    async def sell(self, sku: str, units: int = 10, minimum_age: int = 0) -> None:
        price = money_pb2.Money(currency_code="EUR", minor_units=250)
        product = products_pb2.CreateProductRequest(
            sku=sku, name=f"One {sku}", price=price, minimum_age=minimum_age
        )
        mary = {"authorization": bearer("mary", "manager"), "idempotency_key": uuid7()}
        await self.call(products_pb2_grpc.ProductsServiceStub, "CreateProduct", product, **mary)
        delivery = inventory_pb2.RestockRequest(sku=sku, quantity=units)
        await self.call(inventory_pb2_grpc.InventoryServiceStub, "Restock", delivery, **mary)

    async def order(self, wanted: orders_pb2.CreateOrderRequest, key: str = "") -> orders_pb2.Order:
        alice = {"authorization": bearer("alice", "customer"), "idempotency_key": key or uuid7()}
        answer = await self.call(orders_pb2_grpc.OrdersServiceStub, "CreateOrder", wanted, **alice)
        order: orders_pb2.Order = answer.order
        return order


def wanted(sku: str, quantity: int = 1, card: str = VISA) -> orders_pb2.CreateOrderRequest:
    tender = orders_pb2.Tender(card=orders_pb2.CardTender(payment_method=card))
    return orders_pb2.CreateOrderRequest(
        lines=[orders_pb2.BasketLine(sku=sku, quantity=quantity)], tenders=[tender]
    )


@pytest.fixture
def payments() -> FakePayments:
    return FakePayments()


@pytest.fixture
async def client(
    make_database: Callable[[str | None], str], free_ports: Callable[[int], list[int]], payments: FakePayments
) -> AsyncIterator[Client]:
    url, (port,) = make_database("services.orders"), free_ports(1)
    async with (
        payments_server(FakePaymentsServicer(payments)) as target,
        serving(settings_for(url, target, port)),
        grpc.aio.insecure_channel(f"127.0.0.1:{port}") as channel,
    ):
        yield Client(channel)


async def test_an_order_is_paid_and_its_units_leave_the_shop(client: Client, payments: FakePayments) -> None:
    await client.sell("A")

    order = await client.order(wanted("A", 3))

    assert orders_pb2.OrderState.Name(order.state) == "ORDER_STATE_COMPLETED"
    assert (order.total.minor_units, order.placed_by, len(order.lines)) == (750, "alice", 1)
    assert order.payment_id
    assert list(payments.charges.values()) == [1]
    mary = {"authorization": bearer("mary", "manager")}
    request = inventory_pb2.GetStockRequest(sku="A")
    answer = await client.call(inventory_pb2_grpc.InventoryServiceStub, "GetStock", request, **mary)
    assert (answer.stock.on_hand, answer.stock.reserved, answer.stock.available) == (7, 0, 7)


async def test_a_repeated_key_answers_with_the_same_order(client: Client, payments: FakePayments) -> None:
    await client.sell("A")

    first, second = await client.order(wanted("A"), "k1"), await client.order(wanted("A"), "k1")

    assert first == second
    assert list(payments.charges.values()) == [1]


async def test_a_declined_order_is_an_answer(client: Client) -> None:
    await client.sell("A")

    order = await client.order(wanted("A", card=DECLINED))

    assert (order.state, order.state_reason) == (orders_pb2.ORDER_STATE_REJECTED, "INSUFFICIENT_FUNDS")


async def test_refusals_carry_their_reason_and_fields(client: Client) -> None:
    await client.sell("A")
    alice = {"authorization": bearer("alice", "customer"), "idempotency_key": "k1"}
    stub = orders_pb2_grpc.OrdersServiceStub

    unknown = await client.refusal(stub, "CreateOrder", wanted("B"), **alice)
    invalid = await client.refusal(stub, "CreateOrder", wanted("A", 0), **alice)
    cash = orders_pb2.Tender(cash=orders_pb2.CashTender())
    unpaid = orders_pb2.CreateOrderRequest(lines=wanted("A").lines, tenders=[cash])
    unstaffed = await client.refusal(stub, "CreateOrder", unpaid, **alice)
    scarce = await client.refusal(stub, "CreateOrder", wanted("A", 11), **alice)
    await client.order(wanted("A"), "k1")
    reused = await client.refusal(stub, "CreateOrder", wanted("A", 2), **alice)

    assert (unknown.kind, unknown.reason) == (Kind.NOT_FOUND, "UNKNOWN_PRODUCT")
    assert [violation.field for violation in unknown.violations] == ["lines[0].sku"]
    assert [violation.field for violation in invalid.violations] == ["lines[0].quantity"]
    assert (unstaffed.kind, unstaffed.reason) == (Kind.PERMISSION_DENIED, "NEEDS_STAFF")
    assert (scarce.reason, scarce.metadata) == ("OUT_OF_STOCK", {"sku": "A"})
    assert (reused.kind, reused.reason) == (Kind.INVALID_ARGUMENT, "IDEMPOTENCY_KEY_REUSED")


async def test_an_order_is_checked_paid_watched_and_refunded(client: Client, payments: FakePayments) -> None:
    await client.sell("WINE", minimum_age=18)
    stub = orders_pb2_grpc.OrdersServiceStub
    order = await client.order(wanted("WINE", 2))
    assert (order.state, order.minimum_age) == (orders_pb2.ORDER_STATE_AWAITING_AGE_CHECK, 18)

    carl = {"authorization": bearer("carl", "cashier"), "idempotency_key": "k1"}
    check = orders_pb2.VerifyAgeRequest(id=order.id, method="passport", minimum_age_met=True)
    verified = (await client.call(stub, "VerifyAge", check, **carl)).order
    mary = {"authorization": bearer("mary", "manager"), "idempotency_key": "k1"}
    part = orders_pb2.RefundOrderRequest(
        id=order.id, amount=money_pb2.Money(currency_code="EUR", minor_units=100)
    )
    refunded = (await client.call(stub, "RefundOrder", part, **mary)).order
    too_much = await client.refusal(
        stub, "RefundOrder", orders_pb2.RefundOrderRequest(id=order.id, amount=order.total), **mary | NEW_KEY
    )
    too_late = await client.refusal(
        stub, "CancelOrder", orders_pb2.CancelOrderRequest(id=order.id), **mary | NEW_KEY
    )
    events = await client.watch(order.id)

    assert verified.state == orders_pb2.ORDER_STATE_COMPLETED
    assert (refunded.state, refunded.refunded.minor_units) == (
        orders_pb2.ORDER_STATE_PARTIALLY_REFUNDED,
        100,
    )
    assert [(one.method, one.amount.minor_units) for one in refunded.payments] == [("card", 500)]
    assert (too_much.kind, too_much.reason) == (Kind.INVALID_ARGUMENT, "REFUND_TOO_LARGE")
    assert (too_late.kind, too_late.reason) == (Kind.FAILED_PRECONDITION, "ORDER_SETTLED")
    assert [event.sequence for event in events] == list(range(1, 8))
    assert (events[-1].event, events[-1].order) == ("order_partially_refunded", refunded)
    assert payments.kept(OrderId(order.id)) == 400


async def test_an_order_that_waits_is_cancelled_and_its_stock_tells_why(client: Client) -> None:
    await client.sell("WINE", minimum_age=18)
    order = await client.order(wanted("WINE", 2))

    alice = {"authorization": bearer("alice", "customer"), "idempotency_key": "k1"}
    request = orders_pb2.CancelOrderRequest(id=order.id)
    cancelled = await client.call(orders_pb2_grpc.OrdersServiceStub, "CancelOrder", request, **alice)

    assert cancelled.order.state_reason == "CANCELLED_BY_BUYER"
    mary = {"authorization": bearer("mary", "manager")}
    stub = inventory_pb2_grpc.InventoryServiceStub
    history = await client.call(
        stub, "ListStockMovements", inventory_pb2.ListStockMovementsRequest(sku="WINE", page_size=2), **mary
    )
    assert [(one.number, one.quantity, one.order_id) for one in history.movements] == [
        (3, 2, order.id),
        (2, 2, order.id),
    ]
    assert history.next_page_token
    threshold = inventory_pb2.SetLowStockThresholdRequest(sku="WINE", low_threshold=11)
    warned = await client.call(stub, "SetLowStockThreshold", threshold, **mary)
    assert (warned.stock.available, warned.stock.low_threshold, warned.stock.is_low) == (10, 11, True)


async def test_there_are_no_dead_letters_to_replay(client: Client) -> None:
    mary = {"authorization": bearer("mary", "manager"), "idempotency_key": "k1"}
    stub = operations_pb2_grpc.DeadLettersServiceStub

    listed = await client.call(stub, "ListDeadLetters", operations_pb2.ListDeadLettersRequest(), **mary)
    request = operations_pb2.ReplayDeadLetterRequest(id=uuid7())
    refusal = await client.refusal(stub, "ReplayDeadLetter", request, **mary)

    assert list(listed.dead_letters) == []
    assert (refusal.kind, refusal.reason) == (Kind.NOT_FOUND, "DEAD_LETTER_NOT_FOUND")


async def test_products_are_listed_to_anybody(client: Client) -> None:
    await client.sell("A")

    request = products_pb2.ListProductsRequest(page_size=1)
    answer = await client.call(products_pb2_grpc.ProductsServiceStub, "ListProducts", request)

    assert [(product.sku, product.price.minor_units) for product in answer.products] == [("A", 250)]
    assert answer.next_page_token == ""


async def test_orders_are_listed_and_fetched_by_their_buyer(client: Client) -> None:
    await client.sell("A")
    order = await client.order(wanted("A"))
    alice, bob = {"authorization": bearer("alice")}, {"authorization": bearer("bob", "customer")}
    stub = orders_pb2_grpc.OrdersServiceStub

    listed = await client.call(stub, "ListOrders", orders_pb2.ListOrdersRequest(), **alice)
    got = await client.call(stub, "GetOrder", orders_pb2.GetOrderRequest(id=order.id), **alice)
    hidden = await client.refusal(stub, "GetOrder", orders_pb2.GetOrderRequest(id=order.id), **bob)

    assert list(listed.orders) == [got.order] == [order]
    assert hidden.reason == "ORDER_NOT_FOUND"


async def test_a_manager_reads_how_business_goes(client: Client) -> None:
    mary = {"authorization": bearer("mary", "manager")}
    await client.sell("A")
    order = await client.order(wanted("A"))

    answer = await client.call(
        operations_pb2_grpc.ReportsServiceStub,
        "GetBusinessMetrics",
        operations_pb2.GetBusinessMetricsRequest(),
        **mary,
    )

    assert answer.orders_last_hour == 1
    assert answer.revenue_last_hour == answer.average_order_value == order.total
    assert [(one.method, one.succeeded) for one in answer.methods] == [("card", 1)]


async def test_a_manager_reads_and_exports_age_checks(client: Client) -> None:
    mary = {"authorization": bearer("mary", "manager")}
    reports = operations_pb2_grpc.ReportsServiceStub

    report = await client.call(
        reports, "GetComplianceReport", operations_pb2.GetComplianceReportRequest(), **mary
    )
    export = await client.call(
        reports, "ExportComplianceReport", operations_pb2.ExportComplianceReportRequest(), **mary
    )

    assert (report.checks, report.refusal_ppm) == (0, 0)
    assert report.end_time.seconds - report.start_time.seconds == 30 * 86_400
    assert export.file.content_type == "text/csv; charset=utf-8"
    assert export.file.data.startswith(b"time,order_id,method,")


async def test_a_buyer_gets_a_receipt_as_text(client: Client) -> None:
    await client.sell("A")
    order = await client.order(wanted("A"))
    request = receipts_pb2.GetReceiptRequest(id=order.id)

    answer = await client.call(
        receipts_pb2_grpc.ReceiptsServiceStub, "GetReceipt", request, authorization=bearer("alice")
    )

    assert answer.receipt.content_type == "text/plain; charset=utf-8"
    assert f"Order {order.id}" in answer.receipt.data.decode()
