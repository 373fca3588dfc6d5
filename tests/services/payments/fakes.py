"""A provider that behaves: it moves money at most once for an intent, and can be struck dumb."""

import asyncio
from collections import deque
from collections.abc import Callable
from enum import Enum, auto
from typing import Generic, TypeVar

from typing_extensions import override

from servicekit.clock import Clock, ManualClock, uuid7
from services.payments.model import (
    Attempt,
    Authorized,
    Captured,
    Declined,
    Doubt,
    GivenBack,
    Money,
    News,
    Outcome,
    Payment,
    Prepared,
    ProviderId,
    ProviderKey,
    Refund,
    RefundOutcome,
    Released,
    Unknown,
)
from services.payments.ports import Newspaper, Provider, Store
from services.payments.usecases import (
    Asking,
    Bookkeeping,
    GiftCards,
    Listening,
    Payments,
    Reconciling,
    Refunds,
)

TEN_EUROS = Money("EUR", 1000)
VISA = "pm_card_visa"
EMPTY_CARD = "pm_card_empty"
SECRET = b"g" * 32

S = TypeVar("S", bound=Store)
T = TypeVar("T", Outcome, RefundOutcome)


class Misfortune(Enum):
    """What becomes of the next asking."""

    LOST_ON_THE_WAY = auto()
    """The provider never hears of it."""
    LOST_ON_THE_WAY_BACK = auto()
    """The provider acts, and its answer is lost."""
    CALLER_DIES = auto()
    """The provider acts, and whoever asked is gone."""


class FakeProvider(Provider):
    """Making an intent meets no misfortune unless `preparing` has one: it moves no money."""

    def __init__(self) -> None:
        self.prefix = "pi"
        self.held: list[str] = []
        self.taken: list[str] = []
        self.cancelled: list[str] = []
        self.given_back: list[tuple[str, int]] = []
        self.misfortunes: deque[Misfortune] = deque()
        self.preparing: deque[Misfortune] = deque()
        self.asked = 0
        self.pause = asyncio.Event()
        self.pause.set()
        self._standing: dict[str, Outcome] = {}
        self._made: dict[ProviderKey, Outcome] = {}
        self._refunds: dict[ProviderKey, RefundOutcome] = {}

    @override
    async def prepare(self, payment: Payment, key: ProviderKey) -> Outcome:
        return await self._answer(self.preparing, lambda: self._make(key))

    @override
    async def hold(self, payment: Payment, key: ProviderKey) -> Outcome:
        return await self._answer(self.misfortunes, lambda: self._hold(payment))

    @override
    async def capture(self, payment: Payment, key: ProviderKey) -> Outcome:
        return await self._answer(self.misfortunes, lambda: self._take(payment))

    @override
    async def cancel(self, payment: Payment, key: ProviderKey) -> Outcome:
        return await self._answer(self.misfortunes, lambda: self._cancel(payment))

    @override
    async def refund(self, payment: Payment, refund: Refund, key: ProviderKey) -> RefundOutcome:
        return await self._answer(self.misfortunes, lambda: self._give_back(payment, refund, key))

    @override
    async def look(self, payment: Payment) -> Outcome:
        self.asked += 1
        return self._standing[payment.provider_id]

    @override
    async def ping(self) -> None:
        return

    async def _answer(self, misfortunes: deque[Misfortune], act: Callable[[], T]) -> T:
        self.asked += 1
        await asyncio.sleep(0)  # Whoever asks at the same time has the turn.
        await self.pause.wait()
        misfortune = misfortunes.popleft() if misfortunes else None
        if misfortune is Misfortune.LOST_ON_THE_WAY:
            return Unknown(Doubt.CONNECTION)
        outcome = act()
        if misfortune is Misfortune.LOST_ON_THE_WAY_BACK:
            return Unknown(Doubt.TIMEOUT)
        if misfortune is Misfortune.CALLER_DIES:
            raise asyncio.CancelledError
        return outcome

    def _make(self, key: ProviderKey) -> Outcome:
        if key not in self._made:
            name = ProviderId(f"{self.prefix}_{len(self._made)}")
            self._made[key] = self._standing[name] = Prepared(name)
        return self._made[key]

    def _hold(self, payment: Payment) -> Outcome:
        name = payment.provider_id
        if isinstance(self._standing[name], Prepared):
            if payment.payment_method == EMPTY_CARD:
                self._standing[name] = Declined("insufficient_funds", name)
            else:
                self.held.append(name)
                self._standing[name] = Authorized(name)
        return self._standing[name]

    def _take(self, payment: Payment) -> Outcome:
        name = payment.provider_id
        if isinstance(self._standing[name], Authorized):
            self.taken.append(name)
            self._standing[name] = Captured(name, payment.pending_minor)
        return self._standing[name]

    def _cancel(self, payment: Payment) -> Outcome:
        name = payment.provider_id
        if not isinstance(self._standing[name], Captured | Released):
            self.cancelled.append(name)
            self._standing[name] = Released(name)
        return self._standing[name]

    def _give_back(self, payment: Payment, refund: Refund, key: ProviderKey) -> RefundOutcome:
        if key not in self._refunds:
            self.given_back.append((payment.provider_id, refund.minor_units))
            self._refunds[key] = GivenBack(ProviderId(f"re_{len(self._refunds)}"))
        return self._refunds[key]


class FakeNewspaper(Newspaper):
    """Says what it is told to."""

    def __init__(self) -> None:
        self.news: News | None = None

    @override
    def read(self, body: bytes, signature: str) -> News | None:
        return self.news


class SeenSignals:
    """Remembers what it was told."""

    def __init__(self) -> None:
        self.attempts: list[tuple[str, str, str]] = []
        self.settled: list[str] = []
        self.news: list[str] = []

    def attempt_ended(self, payment: Payment, attempt: Attempt, seconds: float) -> None:
        self.attempts.append((attempt.operation, attempt.state, attempt.detail))

    def payment_settled(self, before: Payment, after: Payment) -> None:
        self.settled.append(after.state)

    def news_heard(self, *, is_new: bool) -> None:
        self.news.append("kept" if is_new else "known")

    def news_refused(self, reason: str) -> None:
        self.news.append(reason)


class Shop(Generic[S]):
    """The use cases over fakes that behave."""

    def __init__(self, make_store: Callable[[Clock], S]) -> None:
        self.clock = ManualClock()
        self.store = make_store(self.clock)
        self.provider = FakeProvider()
        self.newspaper = FakeNewspaper()
        self.signals = SeenSignals()
        self.asking = Asking(self.store, self.provider, self.signals, self.clock, uuid7)
        self.gift_cards = GiftCards(self.store, SECRET, self.clock)
        self.payments = Payments(self.store, self.asking, self.gift_cards, self.clock)
        self.refunds = Refunds(self.store, self.asking, self.clock)
        self.reconciling = Reconciling(self.store, self.asking, self.clock)
        self.listening = Listening(self.store, self.newspaper, self.asking, self.signals, self.clock)
        self.bookkeeping = Bookkeeping(self.store)

    async def reconcile(self, seconds: float = 20) -> int:
        """Let so much time pass, then ask about what is due; how much that was."""
        self.clock.advance(seconds)
        due = await self.reconciling.due(100)
        for each in due:
            await self.reconciling.resolve(each)
        return len(due)
