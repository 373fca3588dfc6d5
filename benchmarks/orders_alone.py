"""Orders and payments as one asyncio program: the same use cases, stores and provider, nothing between."""

from __future__ import annotations

import asyncio
from typing import Self, cast

from opentelemetry.trace import NoOpTracer
from pydantic import SecretStr
from typing_extensions import override

from benchmarks.orders_at_scale import NoTills
from servicekit.clock import SystemClock, uuid7
from servicekit.context import Caller, RequestContext, scope
from servicekit.flags import FlagSettings, open_flags
from servicekit.instruments import Instruments
from servicekit.outbox import Outbox
from servicekit.postgres import Database
from servicekit.settings import PostgresSettings
from services.orders import model, ports
from services.orders import usecases as orders
from services.orders.clients import GrpcPayments
from services.orders.metrics import OrderMetrics
from services.orders.store.postgres import PostgresStore
from services.orders.workers import SettlingWorker
from services.payments import model as payments_model
from services.payments import usecases as payments
from services.payments.clients.stripe import StripeProvider, stripe_client
from services.payments.clients.transport import Transport
from services.payments.metrics import PaymentMetrics
from services.payments.store import postgres as payments_store

SKU = "BENCH-BREAD"
STRIPE_SECONDS = 6
STRIPE_CONNECTIONS = 20


class CalledPayments(ports.Payments):
    """Payments as a function call. Only what a sale by card needs."""

    def __init__(self, taken: payments.Payments) -> None:
        self._taken = taken

    @override
    def id_of(self, order_id: model.OrderId, share: int) -> model.PaymentId:
        return GrpcPayments.id_of(cast("GrpcPayments", self), order_id, share)

    @override
    async def authorize(self, order_id: model.OrderId, share: int, tender: model.Tender) -> model.Payment:
        amount = payments_model.Money(tender.amount.currency_code, tender.amount.minor_units)
        return _payment(await self._taken.authorize(order_id, amount, tender.handle, share=share))

    @override
    async def capture(self, payment_id: model.PaymentId) -> model.Payment:
        return _payment(await self._taken.capture(payment_id))

    @override
    async def void(self, payment_id: model.PaymentId) -> model.Payment:
        raise NotImplementedError

    @override
    async def refund(
        self, payment_id: model.PaymentId, amount: model.Money, refund_id: model.RefundId
    ) -> model.Payment:
        raise NotImplementedError


def _payment(payment: payments_model.Payment) -> model.Payment:
    state = model.PaymentState(payment.state.value)
    return model.Payment(model.PaymentId(payment.id), state, payment.decline_reason)


class Alone:
    """The program."""

    def __init__(self, orders_url: str, payments_url: str, stripe_url: str) -> None:
        clock, instruments = SystemClock(), Instruments("orders")
        self._databases = [_database(orders_url), _database(payments_url)]
        self._transport = Transport(timeout_seconds=STRIPE_SECONDS, connections=STRIPE_CONNECTIONS)
        taken = _payments(self._databases[1], self._transport, stripe_url, clock)
        outbox = Outbox(self._databases[0], clock, uuid7)
        store = PostgresStore(self._databases[0], outbox)
        signals, changes = OrderMetrics(instruments), orders.Changes(clock)
        answering = orders.Answering(store, changes, signals, clock)
        permits = orders.Permits(open_flags(FlagSettings(), instruments), NoTills())
        self._ordering = orders.Ordering(store, answering, permits, signals, clock, uuid7)
        settling = orders.Settling(store, CalledPayments(taken), changes, signals, clock)
        self._worker = SettlingWorker(outbox, settling, changes)
        self._stop = asyncio.Event()
        self._working: asyncio.Task[None] | None = None

    async def __aenter__(self) -> Self:
        """Begin to work."""
        self._working = asyncio.create_task(self._worker.run(self._stop))
        return self

    async def __aexit__(self, *_: object) -> None:
        """Stop, and let go of everything."""
        self._stop.set()
        if self._working is not None:
            await self._working
        await self._transport.close_async()
        for database in self._databases:
            await database.close()

    async def sell(self) -> None:
        """One order, paid by card."""
        card = model.Tendered(model.TenderMethod.CARD, "pm_card_visa")
        basket = model.Basket((model.BasketLine(SKU, 1),), (card,))
        request = RequestContext(request_id=uuid7(), caller=Caller("alice"), idempotency_key=uuid7())
        with scope(request):
            order = await self._ordering.place(basket, bytes(32))
        if order.state is not model.OrderState.COMPLETED:
            raise RuntimeError(f"an order was not completed: {order}")


def _database(url: str) -> Database:
    return Database(PostgresSettings(database_url=SecretStr(url)))


def _payments(
    database: Database, transport: Transport, stripe_url: str, clock: SystemClock
) -> payments.Payments:
    client = stripe_client(stripe_url, "sk_test_alone", transport)
    provider = StripeProvider(client, clock, NoOpTracer(), STRIPE_SECONDS)
    store = payments_store.PostgresStore(database, Outbox(database, clock, uuid7), uuid7)
    signals = PaymentMetrics(Instruments("payments"))
    asking = payments.Asking(store, provider, signals, clock, uuid7)
    return payments.Payments(store, asking, payments.GiftCards(store, bytes(32), clock), clock)
