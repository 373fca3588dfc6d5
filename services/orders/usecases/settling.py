"""The saga of one order: authorize, capture, settle; give back what was held; refund.

Each step is one transaction, made after the payments service answered, and holds only
if the order is as it was when the step began. A process may die anywhere: the next one
to lease the errand begins at what is kept, and asking the payments service again is
safe because each share has one payment. An unknown outcome is repeated and compensates
nothing: stock is released only once no share is held any more.
"""

from __future__ import annotations

import re
from typing import Final

from servicekit.clock import Clock
from services.orders.model import (
    Closing,
    Errand,
    EventName,
    Order,
    OrderState,
    Payment,
    PaymentId,
    Step,
)
from services.orders.ports import PaymentRefused, Payments, PaymentUnsettled, Signals, Store
from services.orders.usecases.changes import Changes
from services.orders.usecases.giving_back import let_go, pay_back
from services.orders.usecases.reporting import report

DECLINED: Final = "CARD_DECLINED"
"""Why an order is rejected whose provider gave no better reason."""

_VAGUE: Final = frozenset({"", "GENERIC_DECLINE"})
_NO_WORD: Final = re.compile(r"[^A-Z0-9]+")
_MAX_REASON_LENGTH: Final = 64


class Settling:
    """Settles orders, one errand at a time; any number of replicas at once."""

    def __init__(
        self, store: Store, payments: Payments, changes: Changes, signals: Signals, clock: Clock
    ) -> None:
        self._store = store
        self._payments = payments
        self._changes = changes
        self._signals = signals
        self._clock = clock

    async def settle(self, errand: Errand) -> Order:
        """Do all there is to do for the order, and finish the errand with the last step; the order then.

        Raises `PaymentUnsettled` while a payment's outcome is open: repeat later. Raises `OrderMoved`,
        or what the store raises for a lost lease, when somebody else has made a step.
        """
        order = await self._store.orders.get(errand.order_id)
        if order is None:
            raise LookupError(f"errand {errand.id} names order {errand.order_id}, which is not kept")
        if order.step is Step.NOTHING:
            await self._finish(order, errand)
        try:
            while order.step is not Step.NOTHING:
                order = await self._keep(order, await self._after_step(order), errand)
        except PaymentUnsettled as unsettled:
            self._signals.payment_repeated(unsettled.cause)
            raise
        return order

    async def _after_step(self, order: Order) -> Order:
        """The order as the next step leaves it, once the payments service has answered."""
        match order.step:
            case Step.AUTHORIZE:
                return await self._authorize(order)
            case Step.CAPTURE:
                return await self._capture(order)
            case Step.GIVE_BACK:
                closing = await let_go(self._payments, order)
                return order.closed(closing, self._clock.now())
            case Step.REFUND:
                refund = await pay_back(self._payments, order)
                return order.refund_made(refund.id, self._clock.now())
            case Step.NOTHING:
                return order

    async def _authorize(self, order: Order) -> Order:
        ids: list[PaymentId | None] = []
        for share, tender in enumerate(order.tenders):
            try:
                payment = await self._payments.authorize(order.id, share, tender)
            except PaymentRefused as refused:
                return self._refused(order, share, refused.reason, None)
            if payment.state.is_open:
                raise _open(payment)
            if payment.state.is_nothing:
                return self._refused(order, share, payment.decline_reason, payment.id)
            ids.append(payment.id)
        return order.authorized(ids, self._clock.now())

    async def _capture(self, order: Order) -> Order:
        for share, payment_id in enumerate(order.payment_ids):
            try:
                payment = await self._payments.capture(_known(order, payment_id))
            except PaymentRefused as refused:
                return self._refused(order, share, refused.reason, payment_id)
            if payment.state.is_nothing:
                return self._refused(order, share, payment.decline_reason, payment_id)
            if not payment.state.is_taken:
                raise _open(payment)
        return order.completed(self._clock.now())

    def _refused(self, order: Order, share: int, reason: str, payment_id: PaymentId | None) -> Order:
        """The order once one share is refused: at its end if that was all, else with others to give back."""
        closing = Closing(OrderState.REJECTED, state_reason(reason))
        order = order.with_payment(share, payment_id)
        if len(order.tenders) == 1:
            return order.closed(closing, self._clock.now())
        return order.closing_as(closing, EventName.PAYMENT_REFUSED, self._clock.now())

    async def _keep(self, before: Order, after: Order, errand: Errand) -> Order:
        """Make the step: the order moves and, at its end, its stock leaves or returns."""
        async with self._store.transaction() as tx:
            await tx.orders.move(after)
            if after.step is Step.NOTHING:
                await tx.errands.finish(errand)
            if after.is_settled and not before.is_settled:
                is_sold = after.state is OrderState.COMPLETED
                move_stock = tx.inventory.consume if is_sold else tx.inventory.release
                await move_stock(after.id, after.lines, after.updated_at)
        self._changes.announce(after)
        report(self._signals, after)
        return after

    async def _finish(self, order: Order, errand: Errand) -> None:
        """End an errand with nothing left to do: somebody else did it."""
        async with self._store.transaction() as tx:
            await tx.errands.finish(errand)
        self._changes.announce(order)


def state_reason(decline_reason: str) -> str:
    """Why an order is rejected, in our words: `insufficient_funds` becomes `INSUFFICIENT_FUNDS`."""
    word = _NO_WORD.sub("_", decline_reason.upper()).strip("_")[:_MAX_REASON_LENGTH]
    return DECLINED if word in _VAGUE else word


def _open(payment: Payment) -> PaymentUnsettled:
    return PaymentUnsettled("unknown", f"payment {payment.id} is {payment.state}")


def _known(order: Order, payment_id: PaymentId | None) -> PaymentId:
    if payment_id is None:
        raise LookupError(f"order {order.id} is {order.state} without a payment")
    return payment_id
