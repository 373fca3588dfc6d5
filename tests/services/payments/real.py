"""The use cases over PostgreSQL, and over any provider."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from typing_extensions import override

from servicekit.clock import Clock, SystemClock, uuid7
from servicekit.outbox import Outbox
from servicekit.postgres import Database
from services.payments.clients.newspaper import StripeNewspaper
from services.payments.model import Outcome, Payment, Prepared, ProviderKey, Refund, RefundOutcome
from services.payments.ports import Provider
from services.payments.store.postgres import PostgresStore
from services.payments.usecases import (
    Asking,
    Bookkeeping,
    GiftCards,
    Listening,
    Payments,
    Reconciling,
    Refunds,
)
from tests.services.payments.fakes import SECRET, SeenSignals

WEBHOOK_SECRET = "whsec_tests"

Open = Callable[..., Database]


def postgres_store(database: Database, clock: Clock | None = None) -> PostgresStore:
    return PostgresStore(database, Outbox(database, clock or SystemClock(), uuid7), uuid7)


class RealShop:
    """As `fakes.Shop`, with PostgreSQL and the clock of the machine."""

    def __init__(self, database: Database, provider: Provider) -> None:
        clock = SystemClock()
        self.outbox = Outbox(database, clock, uuid7)
        self.store = PostgresStore(database, self.outbox, uuid7)
        self.signals = SeenSignals()
        asking = Asking(self.store, provider, self.signals, clock, uuid7)
        self.gift_cards = GiftCards(self.store, SECRET, clock)
        self.payments = Payments(self.store, asking, self.gift_cards, clock)
        self.refunds = Refunds(self.store, asking, clock)
        self.reconciling = Reconciling(self.store, asking, clock)
        newspaper = StripeNewspaper(WEBHOOK_SECRET)
        self.listening = Listening(self.store, newspaper, asking, self.signals, clock)
        self.bookkeeping = Bookkeeping(self.store)


class HeedlessProvider(Provider):
    """The negative control: each attempt makes an intent of its own under a random key, and holds on that.

    It breaks what the service rests on: that the name of the intent is kept before money is
    asked for, and that every attempt asks for the same one.
    """

    def __init__(self, provider: Provider) -> None:
        self._provider = provider

    @override
    async def prepare(self, payment: Payment, key: ProviderKey) -> Outcome:
        return await self._provider.prepare(payment, ProviderKey(uuid7()))

    @override
    async def hold(self, payment: Payment, key: ProviderKey) -> Outcome:
        made = await self.prepare(payment, key)
        if not isinstance(made, Prepared):
            return made
        return await self._provider.hold(replace(payment, provider_id=made.provider_id), ProviderKey(uuid7()))

    @override
    async def capture(self, payment: Payment, key: ProviderKey) -> Outcome:
        return await self._provider.capture(payment, ProviderKey(uuid7()))

    @override
    async def cancel(self, payment: Payment, key: ProviderKey) -> Outcome:
        return await self._provider.cancel(payment, ProviderKey(uuid7()))

    @override
    async def refund(self, payment: Payment, refund: Refund, key: ProviderKey) -> RefundOutcome:
        return await self._provider.refund(payment, refund, ProviderKey(uuid7()))

    @override
    async def look(self, payment: Payment) -> Outcome:
        return await self._provider.look(payment)

    @override
    async def ping(self) -> None:
        await self._provider.ping()
