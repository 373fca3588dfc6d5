"""Giving money back, whole or in part, once for each of the caller's names for it."""

from __future__ import annotations

from uuid import UUID

from servicekit.clock import Clock
from servicekit.errors import FieldViolation, InvalidArgument
from services.payments.errors import (
    NotCaptured,
    RefundMismatch,
    RefundRefused,
    RefundTooLarge,
    RefundUnsettled,
)
from services.payments.model import Money, Payment, Refund, RefundId, RefundState
from services.payments.ports import Store, Unit
from services.payments.usecases.asking import Asking, is_local
from services.payments.usecases.fields import check_part, is_uuid, not_found, payment_id_of


class Refunds:
    """The refunds of payments."""

    def __init__(self, store: Store, asking: Asking, clock: Clock) -> None:
        self._store = store
        self._asking = asking
        self._clock = clock

    async def refund(self, payment_id: str, refund_id: str, amount: Money | None = None) -> Payment:
        """Give back an amount, or all that is left; the payment when it is given back.

        Raises:
            PaymentNotFound: There is no such payment.
            NotCaptured: Its money was not taken.
            RefundTooLarge: It is more than was taken and not given back, or on its way back.
            CurrencyMismatch: It is in another currency.
            RefundMismatch: A refund of another amount has this id.
            RefundRefused: The provider will not.
            RefundUnsettled: The provider did not answer. Repeating asks again, and so do we.
        """
        if not is_uuid(refund_id):
            violation = FieldViolation("refund_id", "must be a UUID")
            raise InvalidArgument("the refund is not valid", violations=[violation])
        async with self._store.transaction() as unit:
            payment = await unit.lock(payment_id_of(payment_id))
            if payment is None:
                raise not_found()
            check_part(amount, payment.amount)
            refund = await self._asked(unit, payment, RefundId(str(UUID(refund_id))), amount)
            if not refund.is_open:
                return _answer(payment, refund)
            if is_local(payment):
                return (await self._asking.refund_at_once(unit, payment, refund))[0]
            attempt = await self._asking.begin_refund(unit, payment, refund)
        return _answer(*await self._asking.pursue_refund(payment, refund, attempt))

    async def _asked(self, unit: Unit, payment: Payment, name: RefundId, amount: Money | None) -> Refund:
        """The refund of this name, kept now unless it was before."""
        if not payment.is_taken:
            raise NotCaptured(f"the payment is {payment.state}, so there is nothing to give back")
        others = await unit.refunds(payment.id)
        kept = next((each for each in others if each.id == name), None)
        if kept is not None:
            if amount is not None and amount.minor_units != kept.minor_units:
                raise RefundMismatch(f"the refund of this id is of {kept.minor_units} minor units")
            return kept
        on_its_way = sum(each.minor_units for each in others if each.is_open)
        left = payment.captured_minor - payment.refunded_minor - on_its_way
        wanted = left if amount is None else amount.minor_units
        if wanted > left or left == 0:
            raise RefundTooLarge(f"{left} minor units are left to give back")
        refund = Refund.asked(payment.id, name, wanted, self._clock.now())
        await unit.save_refund(refund)
        return refund


def _answer(payment: Payment, refund: Refund) -> Payment:
    match refund.state:
        case RefundState.SUCCEEDED:
            return payment
        case RefundState.DECLINED:
            raise RefundRefused(
                "the provider does not give this back", metadata={"why": refund.decline_reason}
            )
        case RefundState.UNKNOWN:
            raise RefundUnsettled(
                "it is not known yet whether the money was given back; repeat with the same id"
            )
