"""The parts of payments, and how they fit."""

from __future__ import annotations

from collections.abc import Mapping

from tillmesh.payments.v1.payments_pb2_grpc import (
    WebhooksServiceServicer,
    add_PaymentsServiceServicer_to_server,
    add_WebhooksServiceServicer_to_server,
)

from servicekit.kit import Kit
from servicekit.serve import serve
from services.payments.checks import provider_check
from services.payments.clients.stripe import StripeProvider, stripe_client
from services.payments.clients.transport import Transport
from services.payments.config import PaymentsSettings
from services.payments.metrics import PaymentMetrics
from services.payments.servicer import PaymentsServicer
from services.payments.store.postgres import PostgresStore
from services.payments.usecases import Payments


def main(environ: Mapping[str, str]) -> int:
    """Run payments until it is told to stop; its exit code."""
    return serve("payments", PaymentsSettings, build, environ)


async def build(kit: Kit[PaymentsSettings]) -> None:
    """Put payments together."""
    settings = kit.settings
    transport = Transport(
        timeout_seconds=settings.stripe_timeout_seconds, connections=settings.stripe_connections
    )
    kit.lifetime.push_async_callback(transport.close_async)
    client = stripe_client(settings.stripe_api_base, settings.stripe_api_key.get_secret_value(), transport)
    tracer = kit.tracers.get_tracer("tillmesh.stripe")
    provider = StripeProvider(client, kit.clock, tracer, settings.stripe_timeout_seconds)
    kit.check(provider_check(provider))

    store = PostgresStore(kit.postgres())
    payments = Payments(store, provider, PaymentMetrics(kit.instruments), kit.clock, kit.make_id)
    kit.add(add_PaymentsServiceServicer_to_server, PaymentsServicer(payments))
    # Planned: the chain answers for it.
    kit.add(add_WebhooksServiceServicer_to_server, WebhooksServiceServicer())
