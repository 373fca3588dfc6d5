"""What payments does: hold money, take it, and say how it stands.

Each step is the same: one transaction that says what will be asked, the provider
asked with no transaction open, one transaction with what came of it. Callers that
come at once ask under the same key, so the provider acts once, and whichever
answer is kept first is the one that all of them get.
"""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable, Iterator
from typing import Final
from uuid import UUID

from servicekit.clock import Clock, MakeId
from servicekit.errors import FieldViolation, InvalidArgument
from services.payments.errors import NotAuthorized, PaymentMismatch, PaymentNotFound
from services.payments.model import (
    Attempt,
    AttemptId,
    Money,
    Operation,
    OrderId,
    Outcome,
    Payment,
    PaymentId,
    PaymentState,
    ProviderKey,
)
from services.payments.ports import Provider, Signals, Store

_CURRENCY: Final = re.compile(r"[A-Z]{3}")
_HANDLE: Final = re.compile(r"(?!\d+$)[A-Za-z0-9_-]{1,255}")
"""Never digits alone: those would be a card's number, which must not come this far."""

Ask = Callable[[Payment, ProviderKey], Awaitable[Outcome]]


class Payments:
    """The payments of orders."""

    def __init__(
        self, store: Store, provider: Provider, signals: Signals, clock: Clock, make_id: MakeId
    ) -> None:
        self._store = store
        self._provider = provider
        self._signals = signals
        self._clock = clock
        self._make_id = make_id

    async def authorize(self, order_id: str, amount: Money, payment_method: str) -> Payment:
        """Have the provider hold the amount for an order.

        What was settled before is answered from the store. While it is open the provider
        is asked again, under the same key.

        Raises:
            InvalidArgument: A field is wrong; nothing is kept.
            PaymentMismatch: The order has another payment.
        """
        if violations := list(_violations(order_id, amount, payment_method)):
            raise InvalidArgument("the payment is not valid", violations=violations)
        now = self._clock.now()
        wanted = Payment.of_order(OrderId(str(UUID(order_id))), amount, payment_method, now)
        async with self._store.transaction() as unit:
            kept = await unit.add_or_lock(wanted.asked(now))
            if not kept.is_same_as(wanted):
                raise PaymentMismatch("the order has a payment of another amount or with another card")
            if not kept.is_open:
                return kept
            attempt = self._attempt(kept, Operation.AUTHORIZE)
            await unit.add_attempt(attempt)
        return await self._ask(self._look if kept.provider_id else self._provider.authorize, kept, attempt)

    async def capture(self, payment_id: str) -> Payment:
        """Take the amount that is held.

        Raises:
            PaymentNotFound: There is no such payment.
            NotAuthorized: The provider holds nothing for it.
        """
        async with self._store.transaction() as unit:
            kept = await unit.lock(_payment_id(payment_id))
            if kept is None:
                raise _not_found()
            if kept.state is PaymentState.CAPTURED:
                return kept
            if not kept.can_be_captured:
                raise NotAuthorized(f"the payment is {kept.state}, so nothing is held that could be taken")
            asked = kept.asked(self._clock.now())
            attempt = self._attempt(asked, Operation.CAPTURE)
            await unit.save(asked)
            await unit.add_attempt(attempt)
        return await self._ask(self._provider.capture, asked, attempt)

    async def get(self, payment_id: str) -> Payment:
        """One payment.

        Raises:
            PaymentNotFound: There is no such payment.
        """
        payment = await self._store.find(_payment_id(payment_id))
        if payment is None:
            raise _not_found()
        return payment

    def _attempt(self, payment: Payment, operation: Operation) -> Attempt:
        return Attempt.sent(AttemptId(self._make_id()), payment, operation, self._clock.now())

    async def _look(self, payment: Payment, _: ProviderKey) -> Outcome:
        return await self._provider.look(payment)

    async def _ask(self, ask: Ask, payment: Payment, attempt: Attempt) -> Payment:
        started = self._clock.monotonic()
        outcome = await ask(payment, attempt.provider_key)
        ended = attempt.ended(outcome, self._clock.now())
        self._signals.attempt_ended(ended, self._clock.monotonic() - started)
        return await self._settle(payment.id, ended, outcome)

    async def _settle(self, payment_id: PaymentId, ended: Attempt, outcome: Outcome) -> Payment:
        async with self._store.transaction() as unit:
            before = await unit.lock(payment_id)
            if before is None:
                raise _not_found()
            after = before.settled(outcome, self._clock.now())
            if after != before:
                await unit.save(after)
            await unit.save_attempt(ended)
        if after != before:
            self._signals.payment_settled(after)
        return after


def _violations(order_id: str, amount: Money, payment_method: str) -> Iterator[FieldViolation]:
    if not _is_uuid(order_id):
        yield FieldViolation("order_id", "must be a UUID")
    if not _CURRENCY.fullmatch(amount.currency_code):
        yield FieldViolation("amount.currency_code", "must be an ISO 4217 code, such as EUR")
    if amount.minor_units <= 0:
        yield FieldViolation("amount.minor_units", "must be above zero")
    if not _HANDLE.fullmatch(payment_method):
        yield FieldViolation("payment_method", "must be the provider's handle of a card, never its number")


def _is_uuid(text: str) -> bool:
    try:
        UUID(text)
    except ValueError:
        return False
    return True


def _payment_id(text: str) -> PaymentId:
    """The id in its one spelling. What is no UUID names no payment."""
    if not _is_uuid(text):
        raise _not_found()
    return PaymentId(str(UUID(text)))


def _not_found() -> PaymentNotFound:
    return PaymentNotFound("there is no such payment")
