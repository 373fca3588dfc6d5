"""Holding money, taking it, and letting go of it."""

from __future__ import annotations

from uuid import UUID

from servicekit.clock import Clock
from services.payments.errors import AlreadyCaptured, CaptureTooLarge, NotAuthorized, PaymentMismatch
from services.payments.model import Method, Money, Operation, OrderId, Payment, PaymentState
from services.payments.ports import Store, Unit
from services.payments.usecases.asking import Asking, is_local
from services.payments.usecases.fields import check_part, check_payment, not_found, payment_id_of
from services.payments.usecases.gift_cards import GiftCards
from services.payments.usecases.keeping import keep


class Payments:
    """The payments of orders."""

    def __init__(self, store: Store, asking: Asking, gift_cards: GiftCards, clock: Clock) -> None:
        self._store = store
        self._asking = asking
        self._gift_cards = gift_cards
        self._clock = clock

    async def authorize(
        self, order_id: str, amount: Money, handle: str, *, method: Method = Method.CARD, share: int = 0
    ) -> Payment:
        """Have the amount held for a share of an order.

        What was settled before is answered from the store. While it is open the provider
        is asked again, under the same key.

        Raises:
            InvalidArgument: A field is wrong; nothing is kept.
            PaymentMismatch: The share has another payment.
        """
        check_payment(order_id, share, method, amount, handle)
        if method is Method.GIFT_CARD:
            handle = self._gift_cards.handle_of(handle)
        now = self._clock.now()
        order = OrderId(str(UUID(order_id)))
        wanted = Payment.of_order(order, amount, handle, now, share=share, method=method)
        async with self._store.transaction() as unit:
            kept = await unit.add_or_lock(wanted.asked(Operation.AUTHORIZE, now))
            if kept.is_unclaimed:
                await unit.claim(called_off := kept.claimed(wanted))
                return called_off
            if not kept.is_same_as(wanted):
                raise PaymentMismatch("the share has a payment of another amount or by other means")
            if not kept.is_open or kept.pending is None:
                return kept
            if is_local(kept):
                return await self._asking.at_once(unit, kept, Operation.AUTHORIZE)
            attempt = await self._asking.begin(unit, kept, kept.pending)
        return await self._asking.pursue(kept, attempt)

    async def capture(self, payment_id: str, amount: Money | None = None) -> Payment:
        """Take the amount that is held, or a part of it and let go of the rest.

        Raises:
            PaymentNotFound: There is no such payment.
            NotAuthorized: Nothing is held for it.
            CaptureTooLarge: It is more than is held.
            CurrencyMismatch: It is in another currency.
            AlreadyCaptured: Another amount was taken, or is being taken.
        """
        async with self._store.transaction() as unit:
            kept = await self._lock(unit, payment_id)
            check_part(amount, kept.amount)
            if kept.is_taken:
                _check_same(amount, kept.captured_minor)
                return kept
            if kept.pending is Operation.CAPTURE:
                _check_same(amount, kept.pending_minor)
                asked = kept
            else:
                asked = _to_capture(kept, amount).asked(
                    Operation.CAPTURE,
                    self._clock.now(),
                    kept.held_minor if amount is None else amount.minor_units,
                )
            if is_local(asked):
                return await self._asking.at_once(unit, asked, Operation.CAPTURE)
            if asked != kept:
                await unit.save(asked)
            attempt = await self._asking.begin(unit, asked, Operation.CAPTURE)
        return await self._asking.pursue(asked, attempt)

    async def void(self, payment_id: str) -> Payment:
        """Let go of what is held, or call off what nobody has asked for yet.

        What is not answered stays UNKNOWN; repeating the call asks again. A declined
        payment holds nothing and stays declined.

        Raises:
            PaymentNotFound: The id is none.
            AlreadyCaptured: The money is ours.
        """
        now = self._clock.now()
        async with self._store.transaction() as unit:
            kept = await unit.add_or_lock(Payment.called_off(payment_id_of(payment_id), now))
            if kept.is_taken:
                raise AlreadyCaptured("the money was taken: give it back instead")
            if kept.state in {PaymentState.VOIDED, PaymentState.DECLINED}:
                return kept
            if not kept.may_be_held:
                await keep(unit, kept, voided := kept.voided(now), now)
                self._asking.tell(kept, voided)
                return voided
            # A capture that is not answered is seen through: it may have happened.
            operation = Operation.CAPTURE if kept.pending is Operation.CAPTURE else Operation.VOID
            asked = kept if kept.pending is operation else kept.asked(operation, now)
            if is_local(asked):
                return await self._asking.at_once(unit, asked, operation)
            if asked != kept:
                await unit.save(asked)
            attempt = await self._asking.begin(unit, asked, operation)
        after = await self._asking.pursue(asked, attempt)
        if after.is_taken:
            raise AlreadyCaptured("the money was taken: give it back instead")
        return after

    async def get(self, payment_id: str) -> Payment:
        """One payment.

        Raises:
            PaymentNotFound: There is no such payment.
        """
        payment = await self._store.find(payment_id_of(payment_id))
        if payment is None:
            raise not_found()
        return payment

    async def _lock(self, unit: Unit, payment_id: str) -> Payment:
        kept = await unit.lock(payment_id_of(payment_id))
        if kept is None:
            raise not_found()
        return kept


def _to_capture(kept: Payment, amount: Money | None) -> Payment:
    if kept.state is not PaymentState.AUTHORIZED:
        raise NotAuthorized(f"the payment is {kept.state}, so nothing is held that could be taken")
    if amount is not None and amount.minor_units > kept.held_minor:
        raise CaptureTooLarge(
            f"{kept.held_minor} minor units are held, which is less than {amount.minor_units}"
        )
    return kept


def _check_same(amount: Money | None, minor_units: int) -> None:
    if amount is not None and amount.minor_units != minor_units:
        raise AlreadyCaptured(
            f"{minor_units} minor units were taken or are being taken, and not another amount"
        )
