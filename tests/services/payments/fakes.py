"""A provider that behaves: it moves money at most once for a key, and can be struck dumb."""

import asyncio
from collections import deque
from collections.abc import Callable
from enum import Enum, auto

from typing_extensions import override

from servicekit.clock import ManualClock, uuid7
from services.payments.model import (
    Attempt,
    Authorized,
    Captured,
    Declined,
    Doubt,
    Money,
    Outcome,
    Payment,
    ProviderId,
    ProviderKey,
    Unknown,
)
from services.payments.ports import Provider
from services.payments.store.memory import MemoryStore
from services.payments.usecases import Payments

TEN_EUROS = Money("EUR", 1000)
VISA = "pm_card_visa"
EMPTY_CARD = "pm_card_empty"


class Misfortune(Enum):
    """What becomes of the next asking."""

    LOST_ON_THE_WAY = auto()
    """The provider never hears of it."""
    LOST_ON_THE_WAY_BACK = auto()
    """The provider acts, and its answer is lost."""
    CALLER_DIES = auto()
    """The provider acts, and whoever asked is gone."""


class FakeProvider(Provider):
    def __init__(self) -> None:
        self.held: list[str] = []
        self.taken: list[str] = []
        self.misfortunes: deque[Misfortune] = deque()
        self.asked = 0
        self._answers: dict[ProviderKey, Outcome] = {}

    @override
    async def authorize(self, payment: Payment, key: ProviderKey) -> Outcome:
        return await self._answer(key, lambda: self._hold(payment))

    @override
    async def capture(self, payment: Payment, key: ProviderKey) -> Outcome:
        return await self._answer(key, lambda: self._take(payment))

    @override
    async def look(self, payment: Payment) -> Outcome:
        self.asked += 1
        taken = payment.provider_id in self.taken
        return Captured(payment.provider_id) if taken else Authorized(payment.provider_id)

    @override
    async def ping(self) -> None:
        return

    async def _answer(self, key: ProviderKey, act: Callable[[], Outcome]) -> Outcome:
        self.asked += 1
        await asyncio.sleep(0)  # Whoever asks at the same time has the turn.
        misfortune = self.misfortunes.popleft() if self.misfortunes else None
        if misfortune is Misfortune.LOST_ON_THE_WAY:
            return Unknown(Doubt.CONNECTION)
        if key not in self._answers:
            self._answers[key] = act()
        if misfortune is Misfortune.LOST_ON_THE_WAY_BACK:
            return Unknown(Doubt.TIMEOUT)
        if misfortune is Misfortune.CALLER_DIES:
            raise asyncio.CancelledError
        return self._answers[key]

    def _hold(self, payment: Payment) -> Outcome:
        if payment.payment_method == EMPTY_CARD:
            return Declined("insufficient_funds")
        provider_id = ProviderId(f"pi_{len(self.held)}")
        self.held.append(provider_id)
        return Authorized(provider_id)

    def _take(self, payment: Payment) -> Outcome:
        self.taken.append(payment.provider_id)
        return Captured(payment.provider_id)


class SeenSignals:
    """Remembers what it was told."""

    def __init__(self) -> None:
        self.attempts: list[tuple[str, str, str]] = []
        self.settled: list[str] = []

    def attempt_ended(self, attempt: Attempt, seconds: float) -> None:
        self.attempts.append((attempt.operation, attempt.state, attempt.detail))

    def payment_settled(self, payment: Payment) -> None:
        self.settled.append(payment.state)


class Shop:
    """The use cases over fakes that behave."""

    def __init__(self) -> None:
        self.store = MemoryStore()
        self.provider = FakeProvider()
        self.signals = SeenSignals()
        self.clock = ManualClock()
        self.payments = Payments(self.store, self.provider, self.signals, self.clock, uuid7)
