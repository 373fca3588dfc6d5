"""Calling an order off: money first, stock after.

An order that nobody was asked money for ends at once. Any other is only marked: a
worker lets go of every share, and releases the stock in the step that ends it. So no
clock and no caller ever releases the stock of an order whose money may be held.
"""

from __future__ import annotations

from datetime import datetime
from typing import Final

from servicekit.clock import Clock
from servicekit.context import current
from services.orders.errors import OrderSettled
from services.orders.model import Closing, EventName, Order, OrderId, OrderState
from services.orders.ports import Signals, Store, Transaction
from services.orders.usecases.answering import Answering, seen
from services.orders.usecases.attempts import attempt_of, made_before
from services.orders.usecases.changes import Changes
from services.orders.usecases.reporting import report

BY_BUYER: Final = "CANCELLED_BY_BUYER"
BY_STAFF: Final = "CANCELLED_BY_STAFF"
RESERVATION_EXPIRED: Final = "RESERVATION_EXPIRED"
AGE_NOT_CHECKED: Final = "AGE_NOT_CHECKED"

SWEEP_LIMIT: Final = 100
"""Orders looked at in one sweep: bounds how long it holds up a stop."""


class Closings:
    """Calls orders off, for people and by the clock."""

    def __init__(
        self, store: Store, answering: Answering, changes: Changes, signals: Signals, clock: Clock
    ) -> None:
        self._store = store
        self._answering = answering
        self._changes = changes
        self._signals = signals
        self._clock = clock

    async def cancel(self, order_id: str, fingerprint: bytes) -> Order:
        """Call an order off and wait until it has ended; the order in the state it reached.

        An order whose end is decided already comes to that end. Raises `OrderSettled` for one that has ended.
        """
        attempt = attempt_of("orders.cancel", fingerprint)
        async with self._store.transaction() as tx:
            before = after = await seen(tx, OrderId(order_id))
            if await made_before(tx, attempt, before.id, self._clock.now()) is None:
                after = await self._cancel(tx, before)
        self._tell(before, after)
        return await self._answering.settled(after)

    async def sweep(self) -> int:
        """Call off what is reserved for too long; how many orders that were."""
        expired = await self._store.orders.expired(self._clock.now(), SWEEP_LIMIT)
        for order_id in expired:
            await self._expire(order_id)
        return len(expired)

    async def _cancel(self, tx: Transaction, order: Order) -> Order:
        if order.is_settled:
            raise OrderSettled(f"the order is {order.state}", metadata={"state": order.state})
        if order.closing:
            return order
        by = BY_BUYER if order.placed_by == current().caller.subject else BY_STAFF
        closing = Closing(OrderState.CANCELLED, by)
        return await call_off(tx, order, closing, EventName.CANCELLATION_REQUESTED, self._clock.now())

    async def _expire(self, order_id: OrderId) -> None:
        now = self._clock.now()
        async with self._store.transaction() as tx:
            order = await tx.orders.lock(order_id)
            if order is None or order.closing or order.reserved_until is None or order.reserved_until > now:
                return  # it has moved on since
            is_unchecked = order.state is OrderState.AWAITING_AGE_CHECK
            reason = AGE_NOT_CHECKED if is_unchecked else RESERVATION_EXPIRED
            closing = Closing(OrderState.CANCELLED, reason)
            after = await call_off(tx, order, closing, EventName.RESERVATION_EXPIRED, now)
        self._tell(order, after)

    def _tell(self, before: Order, after: Order) -> None:
        if after.sequence > before.sequence:
            self._changes.announce(after)
            report(self._signals, after)


async def call_off(tx: Transaction, order: Order, closing: Closing, event: EventName, now: datetime) -> Order:
    """End an order that nobody was asked money for; have a worker end any other."""
    if order.state is not OrderState.AWAITING_AGE_CHECK:
        order = order.closing_as(closing, event, now)
        await tx.orders.move(order)
        await tx.errands.add(order.id)
        return order
    order = order.closed(closing, now)
    await tx.orders.move(order)
    await tx.inventory.release(order.id, order.lines, now)
    return order
