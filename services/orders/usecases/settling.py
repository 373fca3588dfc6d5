"""The saga of one order: authorize, capture, settle.

Each step is one transaction, made after the provider answered, and moves the order
only from the state that the step began in. A process may die anywhere: the next one
to lease the errand begins at the state that is kept, and asking the payments service
again is safe because an order has one payment. An unknown outcome is repeated and
compensates nothing: stock is released only once the payment is known to be refused.
"""

from __future__ import annotations

import re
from typing import Final

from servicekit.clock import Clock
from services.orders.model import Errand, Order, OrderState, Payment, PaymentId, PaymentState
from services.orders.ports import PaymentRefused, Payments, PaymentUnsettled, Signals, Store
from services.orders.usecases.settlements import Settlements

DECLINED: Final = "CARD_DECLINED"
"""Why an order is rejected whose provider gave no better reason."""

_VAGUE: Final = frozenset({"", "GENERIC_DECLINE"})
_NO_WORD: Final = re.compile(r"[^A-Z0-9]+")
_MAX_REASON_LENGTH: Final = 64


class Settling:
    """Settles orders, one errand at a time; any number of replicas at once."""

    def __init__(
        self, store: Store, payments: Payments, settlements: Settlements, signals: Signals, clock: Clock
    ) -> None:
        self._store = store
        self._payments = payments
        self._settlements = settlements
        self._signals = signals
        self._clock = clock

    async def settle(self, errand: Errand) -> Order:
        """Settle the order, and finish the errand with its last step; the settled order.

        Raises `PaymentUnsettled` while the payment's outcome is open: repeat later. Raises `OrderMoved`,
        or what the store raises for a lost lease, when another worker has taken over.
        """
        order = await self._store.orders.get(errand.order_id)
        if order is None:
            raise LookupError(f"errand {errand.id} names order {errand.order_id}, which is not kept")
        try:
            return await self._advance(order, errand)
        except PaymentUnsettled as unsettled:
            self._signals.payment_repeated(unsettled.cause)
            raise

    async def _advance(self, order: Order, errand: Errand) -> Order:
        if order.is_settled:
            await self._finish(order, errand)
        if order.state is OrderState.PENDING:
            order = await self._authorize(order, errand)
        if order.state is OrderState.AUTHORIZED:
            order = await self._capture(order, errand)
        return order

    async def _authorize(self, order: Order, errand: Errand) -> Order:
        try:
            payment = await self._payments.authorize(order.id, order.total, order.tender.handle)
        except PaymentRefused as refused:
            return await self._reject(order, errand, refused.reason, None)
        match payment.state:
            case PaymentState.AUTHORIZED | PaymentState.CAPTURED:
                return await self._keep_authorized(order, payment.id)
            case PaymentState.DECLINED:
                return await self._reject(order, errand, payment.decline_reason, payment.id)
            case PaymentState.CREATED | PaymentState.UNKNOWN:
                raise _open(payment)

    async def _capture(self, order: Order, errand: Errand) -> Order:
        payment = await self._payments.capture(_payment_of(order))
        match payment.state:
            case PaymentState.CAPTURED:
                return await self._close(order.state, order.completed(self._clock.now()), errand)
            case PaymentState.DECLINED:
                return await self._reject(order, errand, payment.decline_reason, payment.id)
            case PaymentState.CREATED | PaymentState.UNKNOWN | PaymentState.AUTHORIZED:
                raise _open(payment)

    async def _keep_authorized(self, order: Order, payment_id: PaymentId) -> Order:
        after = order.authorized(payment_id, self._clock.now())
        async with self._store.transaction() as tx:
            await tx.orders.move(order.state, after)
        return after

    async def _reject(
        self, order: Order, errand: Errand, decline_reason: str, payment_id: PaymentId | None
    ) -> Order:
        after = order.rejected(state_reason(decline_reason), payment_id, self._clock.now())
        return await self._close(order.state, after, errand)

    async def _close(self, came_from: OrderState, after: Order, errand: Errand) -> Order:
        """Make the last step: the order settles, its stock leaves or returns, the errand ends."""
        async with self._store.transaction() as tx:
            await tx.orders.move(came_from, after)
            await tx.errands.finish(errand)
            move_stock = tx.inventory.consume if after.state is OrderState.COMPLETED else tx.inventory.release
            await move_stock(after.lines, after.updated_at)
        self._settlements.announce(after)
        self._report(after)
        return after

    def _report(self, order: Order) -> None:
        if order.synthetic:
            return
        seconds = (order.updated_at - order.created_at).total_seconds()
        if order.state is OrderState.COMPLETED:
            self._signals.order_completed(order.total, seconds)
        else:
            self._signals.order_rejected(order.state_reason, seconds)

    async def _finish(self, order: Order, errand: Errand) -> None:
        """End an errand whose order somebody else settled."""
        async with self._store.transaction() as tx:
            await tx.errands.finish(errand)
        self._settlements.announce(order)


def state_reason(decline_reason: str) -> str:
    """Why an order is rejected, in our words: `insufficient_funds` becomes `INSUFFICIENT_FUNDS`."""
    word = _NO_WORD.sub("_", decline_reason.upper()).strip("_")[:_MAX_REASON_LENGTH]
    return DECLINED if word in _VAGUE else word


def _open(payment: Payment) -> PaymentUnsettled:
    return PaymentUnsettled("unknown", f"payment {payment.id} is {payment.state}")


def _payment_of(order: Order) -> PaymentId:
    if order.payment_id is None:
        raise LookupError(f"order {order.id} is {order.state} without a payment")
    return order.payment_id
