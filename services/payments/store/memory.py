"""Payments in memory: a faithful fake, held to the same contract tests as PostgreSQL."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from datetime import datetime

from typing_extensions import override

from services.payments.model import (
    Account,
    Attempt,
    AttemptId,
    GiftCard,
    GiftCardId,
    Method,
    Money,
    News,
    Payment,
    PaymentId,
    Posting,
    Refund,
    RefundId,
    Standing,
)
from services.payments.ports import Store, Unit

RefundKey = tuple[PaymentId, RefundId]


class Unbalanced(Exception):
    """A posting does not add up to zero, as PostgreSQL says at the commit."""


@dataclass
class _Tables:
    payments: dict[PaymentId, Payment] = field(default_factory=dict)
    attempts: dict[AttemptId, Attempt] = field(default_factory=dict)
    refunds: dict[RefundKey, Refund] = field(default_factory=dict)
    gift_cards: dict[GiftCardId, GiftCard] = field(default_factory=dict)
    postings: list[Posting] = field(default_factory=list)
    heard: dict[str, datetime] = field(default_factory=dict)
    news: list[News] = field(default_factory=list)

    def copied(self) -> _Tables:
        """Tables of their own: what is in them never changes."""
        return _Tables(**{name: type(rows)(rows) for name, rows in vars(self).items()})


class MemoryUnit(Unit):
    """Works on copies, which the store takes over when the transaction ends well."""

    def __init__(self, tables: _Tables) -> None:
        self._tables = tables

    @override
    async def add_or_lock(self, payment: Payment) -> Payment:
        return self._tables.payments.setdefault(payment.id, payment)

    @override
    async def lock(self, payment_id: PaymentId) -> Payment | None:
        return self._tables.payments.get(payment_id)

    @override
    async def save(self, payment: Payment) -> None:
        self._tables.payments[payment.id] = payment

    @override
    async def claim(self, payment: Payment) -> None:
        self._tables.payments[payment.id] = payment

    @override
    async def add_attempt(self, attempt: Attempt) -> None:
        self._tables.attempts[attempt.id] = attempt

    @override
    async def save_attempt(self, attempt: Attempt) -> None:
        self._tables.attempts[attempt.id] = attempt

    @override
    async def refunds(self, payment_id: PaymentId) -> list[Refund]:
        return [refund for refund in self._tables.refunds.values() if refund.payment_id == payment_id]

    @override
    async def save_refund(self, refund: Refund) -> None:
        self._tables.refunds[refund.payment_id, refund.id] = refund

    @override
    async def post(self, posting: Posting, now: datetime) -> None:
        if sum(entry.minor_units for entry in posting.entries):
            raise Unbalanced(posting)
        self._tables.postings.append(posting)

    @override
    async def add_gift_card(self, card: GiftCard) -> GiftCard:
        return self._tables.gift_cards.setdefault(card.id, card)

    @override
    async def find_gift_card(self, handle: str) -> GiftCard | None:
        return next((card for card in self._tables.gift_cards.values() if card.handle == handle), None)

    @override
    async def draw(self, handle: str, amount: Money) -> bool:
        card = await self.find_gift_card(handle)
        if card is None or card.issued.currency_code != amount.currency_code:
            return False
        left = card.balance_minor - amount.minor_units
        if left >= 0:
            self._tables.gift_cards[card.id] = replace(card, balance_minor=left)
        return left >= 0

    @override
    async def put_back(self, handle: str, minor_units: int) -> None:
        card = await self.find_gift_card(handle)
        if card is not None:
            self._tables.gift_cards[card.id] = replace(card, balance_minor=card.balance_minor + minor_units)

    @override
    async def hear(self, news: News, now: datetime) -> bool:
        if news.event_id in self._tables.heard:
            return False
        self._tables.heard[news.event_id] = now
        return True

    @override
    async def work_on(self, news: News) -> None:
        self._tables.news.append(news)


class MemoryStore(Store):
    """One transaction at a time: coarser than PostgreSQL's row locks, and as safe."""

    unit = MemoryUnit

    def __init__(self) -> None:
        self._tables = _Tables()
        self._alone = asyncio.Lock()

    @property
    def news(self) -> list[News]:
        """What is to be worked on, oldest first: the jobs of PostgreSQL's outbox."""
        return self._tables.news

    @override
    @asynccontextmanager
    async def transaction(self) -> AsyncIterator[Unit]:
        async with self._alone:
            tables = self._tables.copied()
            yield self.unit(tables)
            self._tables = tables

    @override
    async def find(self, payment_id: PaymentId) -> Payment | None:
        return self._tables.payments.get(payment_id)

    @override
    async def attempts(self, payment_id: PaymentId) -> list[Attempt]:
        return [attempt for attempt in self._tables.attempts.values() if attempt.payment_id == payment_id]

    @override
    async def lease_open_payments(self, now: datetime, until: datetime, limit: int) -> list[PaymentId]:
        async with self._alone:
            dues = [(each.ask_at, each.id) for each in self._tables.payments.values() if each.ask_at]
            leased = [name for ask_at, name in sorted(dues) if ask_at <= now][:limit]
            for name in leased:
                payment = self._tables.payments[name]
                self._tables.payments[name] = replace(payment, ask_at=until)
            return leased

    @override
    async def lease_open_refunds(self, now: datetime, until: datetime, limit: int) -> list[RefundKey]:
        async with self._alone:
            dues = [(each.ask_at, name) for name, each in self._tables.refunds.items() if each.ask_at]
            leased = [name for ask_at, name in sorted(dues) if ask_at <= now][:limit]
            for name in leased:
                self._tables.refunds[name] = replace(self._tables.refunds[name], ask_at=until)
            return leased

    @override
    async def standings(self) -> Mapping[PaymentId, Standing]:
        return {
            each.id: Standing(each.held_minor, each.captured_minor, each.refunded_minor)
            for each in self._tables.payments.values()
            if each.held_minor or each.captured_minor
        }

    @override
    async def standings_by_the_books(self) -> Mapping[PaymentId, Standing]:
        names = {each.payment_id for each in self._tables.postings if each.payment_id is not None}
        standings = {name: self._standing(name) for name in names}
        return {name: each for name, each in standings.items() if each.held_minor or each.captured_minor}

    @override
    async def gift_card_money(self) -> Mapping[str, int]:
        money: dict[str, int] = {}
        for card in self._tables.gift_cards.values():
            money[card.issued.currency_code] = money.get(card.issued.currency_code, 0) + card.balance_minor
        for each in self._tables.payments.values():
            if each.method is Method.GIFT_CARD and each.held_minor:
                money[each.amount.currency_code] = money.get(each.amount.currency_code, 0) + each.held_minor
        return {currency: minor for currency, minor in money.items() if minor}

    @override
    async def gift_card_money_by_the_books(self) -> Mapping[str, int]:
        money: dict[str, int] = {}
        for posting in self._tables.postings:
            owed = -sum(
                each.minor_units for each in posting.entries if each.account is Account.GIFT_CARD_LIABILITY
            )
            money[posting.currency_code] = money.get(posting.currency_code, 0) + owed
        return {currency: minor for currency, minor in money.items() if minor}

    @override
    async def unbalanced(self) -> Sequence[str]:
        return []

    @override
    async def forget_news(self, before: datetime) -> int:
        old = [name for name, heard_at in self._tables.heard.items() if heard_at < before]
        for name in old:
            del self._tables.heard[name]
        return len(old)

    def _standing(self, name: PaymentId) -> Standing:
        sums = dict.fromkeys(Account, 0)
        for posting in self._tables.postings:
            for entry in posting.entries if posting.payment_id == name else ():
                sums[entry.account] += entry.minor_units
        return Standing(sums[Account.HELD_FUNDS], -sums[Account.REVENUE], sums[Account.REFUNDS])
