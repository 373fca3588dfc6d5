"""What a call that moves an order answers, and how long it waits for that.

A repeated call gets the answer of the first: an order that has settled is answered
as it was when it settled, told from its events, whatever was refunded since. One that
was answered open is answered further on: the retry resumes, it replays no failure.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Final

from servicekit.clock import Clock
from servicekit.context import Caller, current
from servicekit.errors import StoreUnavailable
from services.orders.errors import OrderNotFound
from services.orders.model import Order, OrderEvent, OrderId, OrderState
from services.orders.ports import Signals, Store, Transaction
from services.orders.usecases.changes import Changes

ANSWER_BEFORE_SECONDS: Final = 0.5
"""How long before its deadline a call is answered, settled or not (orders.proto)."""

PATIENCE_SECONDS: Final = 9.5
"""How long a call without a deadline waits."""

LAST_LOOK_SECONDS: Final = 0.25
"""How long the state reached is asked for, of the time kept back for the answer."""

ALL_EVENTS: Final = 10_000
"""More than an order ever has: each needs a person or a step of the saga."""


class Answering:
    """Waits for orders on behalf of calls."""

    def __init__(self, store: Store, changes: Changes, signals: Signals, clock: Clock) -> None:
        self._store = store
        self._changes = changes
        self._signals = signals
        self._clock = clock

    async def settled(self, order: Order) -> Order:
        """The order as it first settled, or as far as it gets in time or without a person's help."""
        reached = await self.once(order, rests)
        if not reached.is_settled or reached.event.settles:
            return reached
        return await self._as_of(reached, lambda event: event.name.settles)

    async def refunded(self, order: Order, made_by: Callable[[Order], int | None]) -> Order:
        """The order right after a refund of it was made, or as far as it gets in time.

        Args:
            order: The order.
            made_by: The number of the event that says the refund is made, once it is.
        """
        reached = await self.once(order, lambda one: made_by(one) is not None)
        number = made_by(reached)
        if number in {None, reached.sequence}:
            return reached
        return await self._as_of(reached, lambda event: event.sequence == number)

    async def once(self, order: Order, is_reached: Callable[[Order], bool]) -> Order:
        """The order once this holds of it, or as far as it gets until shortly before the deadline."""
        deadline = current().deadline
        now = self._clock.monotonic()
        until = now + PATIENCE_SECONDS if deadline is None else deadline - ANSWER_BEFORE_SECONDS
        while not is_reached(order):
            changed = await self._changes.after(order, until - self._clock.monotonic())
            if changed is None:
                return await self._reached(order)
            order = changed
        return order

    async def _reached(self, order: Order) -> Order:
        """The order as it is, or as it was last seen if the store does not say in time.

        The order is kept and goes on: failing the call here would tell its caller otherwise.
        """
        self._signals.order_answered_open()
        try:
            async with asyncio.timeout(LAST_LOOK_SECONDS):
                return await self._store.orders.get(order.id) or order
        except (StoreUnavailable, TimeoutError):
            return order

    async def _as_of(self, order: Order, is_it: Callable[[OrderEvent], bool]) -> Order:
        events = await self._store.orders.events(order.id, 0, ALL_EVENTS)
        return next((order.as_of(event) for event in events if is_it(event)), order)


def rests(order: Order) -> bool:
    """True for an order that moves no further unless somebody does something."""
    return order.is_settled or order.state is OrderState.AWAITING_AGE_CHECK


def may_see(caller: Caller, order: Order) -> bool:
    """True for the order's buyer and for the staff."""
    return caller.is_staff or (bool(caller.subject) and order.placed_by == caller.subject)


async def seen(tx: Transaction, order_id: OrderId) -> Order:
    """The order, locked, if the caller may see it. Raises `OrderNotFound` otherwise."""
    order = await tx.orders.lock(order_id)
    if order is None or not may_see(current().caller, order):
        raise OrderNotFound("there is no order with this id")
    return order
