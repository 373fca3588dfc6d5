"""Asking the provider for what is pending, and keeping what came of it.

Whoever asks, a caller or the reconciler, asks here, with the same words and keys.
The provider is asked for money only under a name of its own that we keep already
(`provider_id`), and that name never changes: the database decides which of the
provider's objects may ever hold money for a payment. See docs/decisions/0007.
"""

from __future__ import annotations

from servicekit.clock import Clock, MakeId
from services.payments.model import (
    Attempt,
    AttemptId,
    Authorized,
    Captured,
    GivenBack,
    Method,
    Operation,
    Outcome,
    Payment,
    PaymentId,
    Prepared,
    ProviderId,
    Refund,
    RefundOutcome,
    RefundState,
    Released,
)
from services.payments.ports import Provider, Signals, Store, Unit
from services.payments.usecases import tenders
from services.payments.usecases.fields import not_found
from services.payments.usecases.keeping import keep


class Asking:
    """The one way to a provider."""

    def __init__(
        self, store: Store, provider: Provider, signals: Signals, clock: Clock, make_id: MakeId
    ) -> None:
        self._store = store
        self._provider = provider
        self._signals = signals
        self._clock = clock
        self._make_id = make_id

    async def begin(self, unit: Unit, payment: Payment, operation: Operation) -> Attempt:
        """Keep that the provider is about to be asked."""
        attempt = Attempt.at(AttemptId(self._make_id()), payment, operation, self._clock.now())
        await unit.add_attempt(attempt)
        return attempt

    async def pursue(self, payment: Payment, attempt: Attempt) -> Payment:
        """Ask for what is pending; the payment with what came of it. No transaction may be open."""
        started = self._clock.monotonic()
        if attempt.operation is Operation.AUTHORIZE and not payment.provider_id:
            outcome = await self._prepared(payment, attempt)
        else:
            outcome = await self._asked(payment, attempt)
        ended = attempt.ended(outcome, self._clock.now())
        before, after = await self._settle(payment.id, ended, outcome)
        self._signals.attempt_ended(after, ended, self._clock.monotonic() - started)
        self.tell(before, after)
        return after

    async def at_once(self, unit: Unit, payment: Payment, operation: Operation) -> Payment:
        """Move money that the shop itself holds, in the caller's transaction."""
        now = self._clock.now()
        attempt = Attempt.at(AttemptId(self._make_id()), payment, operation, now)
        match operation:
            case Operation.AUTHORIZE:
                outcome = await tenders.hold(unit, payment)
            case Operation.CAPTURE:
                outcome = await tenders.take(unit, payment, payment.pending_minor)
            case _:
                outcome = await tenders.let_go(unit, payment)
        after = payment.settled(outcome, now)
        ended = attempt.ended(outcome, now)
        await keep(unit, payment, after, now)
        await unit.add_attempt(ended)
        self._signals.attempt_ended(after, ended, 0.0)
        self.tell(payment, after)
        return after

    async def begin_refund(self, unit: Unit, payment: Payment, refund: Refund) -> Attempt:
        """Keep that the provider is about to be asked for a refund."""
        attempt = Attempt.at_refund(AttemptId(self._make_id()), payment, refund, self._clock.now())
        await unit.add_attempt(attempt)
        return attempt

    async def pursue_refund(
        self, payment: Payment, refund: Refund, attempt: Attempt
    ) -> tuple[Payment, Refund]:
        """Ask for a refund; both with what came of it. No transaction may be open."""
        started = self._clock.monotonic()
        outcome = await self._provider.refund(payment, refund, attempt.provider_key)
        ended = attempt.ended(outcome, self._clock.now())
        async with self._store.transaction() as unit:
            before, after, settled = await self.keep_refund(unit, refund, outcome)
            await unit.save_attempt(ended)
        self._signals.attempt_ended(after, ended, self._clock.monotonic() - started)
        self.tell(before, after)
        return after, settled

    async def refund_at_once(self, unit: Unit, payment: Payment, refund: Refund) -> tuple[Payment, Refund]:
        """Give back what the shop itself holds, in the caller's transaction."""
        attempt = Attempt.at_refund(AttemptId(self._make_id()), payment, refund, self._clock.now())
        outcome = GivenBack(ProviderId(""))
        await tenders.put_back(unit, payment, refund.minor_units)
        before, after, settled = await self.keep_refund(unit, refund, outcome)
        ended = attempt.ended(outcome, self._clock.now())
        await unit.add_attempt(ended)
        self._signals.attempt_ended(after, ended, 0.0)
        self.tell(before, after)
        return after, settled

    async def keep_refund(
        self, unit: Unit, refund: Refund, outcome: RefundOutcome
    ) -> tuple[Payment, Payment, Refund]:
        """Keep what came of a refund: the payment before and after, and the refund as it is now."""
        now = self._clock.now()
        payment = await unit.lock(refund.payment_id)
        if payment is None:
            raise not_found()
        kept = next((each for each in await unit.refunds(payment.id) if each.id == refund.id), refund)
        settled = kept.settled(outcome, now)
        after = payment
        if settled != kept:
            await unit.save_refund(settled)
            if settled.state is RefundState.SUCCEEDED:
                after = payment.given_back(settled.minor_units, now)
                await keep(unit, payment, after, now)
        return payment, after, settled

    async def keep_outcome(
        self, unit: Unit, payment_id: PaymentId, outcome: Outcome
    ) -> tuple[Payment, Payment]:
        """Keep what the provider said: the payment before and after."""
        now = self._clock.now()
        before = await unit.lock(payment_id)
        if before is None:
            raise not_found()
        after = before.settled(outcome, now)
        await keep(unit, before, after, now)
        return before, after

    def tell(self, before: Payment, after: Payment) -> None:
        """Tell of a change that is kept."""
        if (after.state, after.refunded_minor) != (before.state, before.refunded_minor):
            self._signals.payment_settled(before, after)

    async def _prepared(self, payment: Payment, attempt: Attempt) -> Outcome:
        """Make the payment known to the provider, keep under which name, and only then have money held."""
        outcome = await self._provider.prepare(payment, attempt.provider_key)
        if not isinstance(outcome, Prepared):
            return outcome
        async with self._store.transaction() as unit:
            _, known = await self.keep_outcome(unit, payment.id, outcome)
            if known.pending is Operation.AUTHORIZE:
                await unit.save_attempt(attempt.sent())
        if known.pending is not Operation.AUTHORIZE:
            # Called off or settled meanwhile: what we made is never asked to hold anything.
            return _standing(known)
        return await self._provider.hold(known, attempt.provider_key)

    async def _asked(self, payment: Payment, attempt: Attempt) -> Outcome:
        match attempt.operation:
            case Operation.AUTHORIZE:
                return await self._provider.hold(payment, attempt.provider_key)
            case Operation.CAPTURE:
                return await self._provider.capture(payment, attempt.provider_key)
            case _:
                return await self._provider.cancel(payment, attempt.provider_key)

    async def _settle(
        self, payment_id: PaymentId, ended: Attempt, outcome: Outcome
    ) -> tuple[Payment, Payment]:
        async with self._store.transaction() as unit:
            before, after = await self.keep_outcome(unit, payment_id, outcome)
            await unit.save_attempt(ended)
        return before, after


def is_local(payment: Payment) -> bool:
    """True where no provider is needed to move the money."""
    return payment.method is not Method.CARD


def _standing(known: Payment) -> Outcome:
    """What is kept of a payment that somebody else has moved on, as the outcome of our attempt."""
    if known.is_taken:
        return Captured(known.provider_id, known.captured_minor)
    if known.held_minor:
        return Authorized(known.provider_id)
    return Prepared(known.provider_id) if known.is_open else Released(known.provider_id)
