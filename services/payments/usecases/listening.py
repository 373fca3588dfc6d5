"""What the provider tells of its own accord: believed when signed, kept once, and worked on later."""

from __future__ import annotations

from datetime import timedelta
from typing import Final

from servicekit.clock import Clock
from servicekit.errors import Refusal
from services.payments.model import IntentNews, News, RefundNews
from services.payments.ports import Newspaper, Signals, Store
from services.payments.usecases.asking import Asking

_REMEMBERED: Final = timedelta(days=30)
"""Ten times as long as Stripe goes on delivering an event."""


class Listening:
    """Hears the provider out."""

    def __init__(
        self, store: Store, newspaper: Newspaper, asking: Asking, signals: Signals, clock: Clock
    ) -> None:
        self._store = store
        self._newspaper = newspaper
        self._asking = asking
        self._signals = signals
        self._clock = clock

    async def receive(self, body: bytes, signature: str) -> None:
        """Keep a signed event; one that is kept already, or is none of ours, is thanked for.

        Raises:
            SignatureInvalid, SignatureStale, EventMalformed: It is not believed; nothing is kept.
        """
        try:
            news = self._newspaper.read(body, signature)
        except Refusal as refusal:
            self._signals.news_refused(refusal.reason)
            raise
        if news is None:
            return
        tells = await self._tells(news)
        async with self._store.transaction() as unit:
            is_new = await unit.hear(news, self._clock.now())
            if is_new and tells:
                await unit.work_on(news)
        self._signals.news_heard(is_new=is_new)

    async def believe(self, news: News) -> None:
        """Let a payment follow what was told of it. Late, repeated or of no payment of ours: nothing."""
        async with self._store.transaction() as unit:
            payment = await unit.lock(news.payment_id)
            if payment is None:
                return
            match news:
                case IntentNews() if news.provider_id == payment.provider_id:
                    before, after = await self._asking.keep_outcome(unit, payment.id, news.outcome)
                case RefundNews():
                    refunds = await unit.refunds(payment.id)
                    refund = next((each for each in refunds if each.id == news.refund_id), None)
                    if refund is None:
                        return
                    before, after, _ = await self._asking.keep_refund(unit, refund, news.outcome)
                case _:
                    return
        self._asking.tell(before, after)

    async def _tells(self, news: News) -> bool:
        """False for what a payment shows already: most news comes after the answer that it repeats."""
        payment = await self._store.find(news.payment_id)
        if payment is None or isinstance(news, RefundNews):
            return payment is not None
        return payment.settled(news.outcome, self._clock.now()) != payment

    async def forget(self) -> int:
        """Forget events that will not come again; how many."""
        return await self._store.forget_news(self._clock.now() - _REMEMBERED)
