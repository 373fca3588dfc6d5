"""The parts of payments, and how they fit."""

from __future__ import annotations

from collections.abc import Mapping

from tillmesh.payments.v1.payments_pb2_grpc import (
    add_GiftCardsServiceServicer_to_server,
    add_PaymentsServiceServicer_to_server,
    add_WebhooksServiceServicer_to_server,
)

from servicekit.crash_points import CrashPoints
from servicekit.kit import Kit
from servicekit.outbox import Outbox
from servicekit.serve import serve
from services.payments.checks import provider_check
from services.payments.clients.newspaper import StripeNewspaper
from services.payments.clients.stripe import StripeProvider, stripe_client
from services.payments.clients.transport import Transport
from services.payments.config import PaymentsSettings
from services.payments.metrics import PaymentMetrics
from services.payments.ports import Provider, Store
from services.payments.servicer import GiftCardsServicer, PaymentsServicer, WebhooksServicer
from services.payments.store.postgres import PostgresStore, news_of
from services.payments.usecases import Asking, GiftCards, Listening, Payments, Reconciling, Refunds
from services.payments.workers import Housekeeping, NewsWorker, Reconciler


def main(environ: Mapping[str, str]) -> int:
    """Run payments until it is told to stop; its exit code."""
    return serve("payments", PaymentsSettings, build, environ)


async def build(kit: Kit[PaymentsSettings]) -> None:
    """Put payments together."""
    settings, clock = kit.settings, kit.clock
    points = CrashPoints(settings.crash_point)
    database = kit.postgres()
    outbox = Outbox(database, clock, kit.make_id)
    store = points.around("store", PostgresStore(database, outbox, kit.make_id), Store)
    provider = points.around("provider", stripe_provider(kit), Provider)
    newspaper = StripeNewspaper(settings.stripe_webhook_secret.get_secret_value())
    signals = PaymentMetrics(kit.instruments)

    asking = Asking(store, provider, signals, clock, kit.make_id)
    gift_cards = GiftCards(store, settings.gift_card_secret.get_secret_value().encode(), clock)
    payments = Payments(store, asking, gift_cards, clock)
    listening = Listening(store, newspaper, asking, signals, clock)

    kit.check(provider_check(provider))
    kit.add(add_PaymentsServiceServicer_to_server, PaymentsServicer(payments, Refunds(store, asking, clock)))
    kit.add(add_WebhooksServiceServicer_to_server, WebhooksServicer(listening))
    kit.add(add_GiftCardsServiceServicer_to_server, GiftCardsServicer(gift_cards))

    tracer = kit.tracers.get_tracer("tillmesh.payments")
    kit.work("reconciler", Reconciler(Reconciling(store, asking, clock), clock).run)
    kit.work("provider_news", NewsWorker(outbox, listening, news_of, kit.instruments, tracer).run)
    kit.work("housekeeping", Housekeeping(listening, clock).run)


def stripe_provider(kit: Kit[PaymentsSettings]) -> StripeProvider:
    """Stripe, as the settings name it."""
    settings = kit.settings
    transport = Transport(
        timeout_seconds=settings.stripe_timeout_seconds, connections=settings.stripe_connections
    )
    kit.lifetime.push_async_callback(transport.close_async)
    client = stripe_client(settings.stripe_api_base, settings.stripe_api_key.get_secret_value(), transport)
    tracer = kit.tracers.get_tracer("tillmesh.stripe")
    return StripeProvider(client, kit.clock, tracer, settings.stripe_timeout_seconds)
