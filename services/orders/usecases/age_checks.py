"""Checks of the buyer's age: how, by whom, when, for which age; never how old the buyer is.

A refusal is an outcome: the order is REJECTED and its stock released, for nobody was
asked for money yet. A check is kept for good and never changed.
"""

from __future__ import annotations

from typing import Final

from servicekit.clock import Clock
from servicekit.context import current
from servicekit.errors import FieldViolation, InvalidArgument
from services.orders.errors import NoAgeCheckAwaited
from services.orders.model import (
    AgeCheckMethod,
    AgeVerification,
    Closing,
    EventName,
    Order,
    OrderId,
    OrderState,
)
from services.orders.ports import Signals, Store, Transaction
from services.orders.usecases.answering import Answering, seen
from services.orders.usecases.attempts import attempt_of, made_before
from services.orders.usecases.changes import Changes
from services.orders.usecases.closing import call_off
from services.orders.usecases.reporting import report

AGE_NOT_MET: Final = "AGE_NOT_MET"
"""Why an order is rejected whose buyer is too young."""

_METHODS: Final = frozenset(AgeCheckMethod)


class AgeVerifications:
    """The age checks of the shop."""

    def __init__(
        self, store: Store, answering: Answering, changes: Changes, signals: Signals, clock: Clock
    ) -> None:
        self._store = store
        self._answering = answering
        self._changes = changes
        self._signals = signals
        self._clock = clock

    async def verify(self, order_id: str, method: str, *, is_met: bool, fingerprint: bytes) -> Order:
        """Keep a check and wait for the order to settle; the order in the state it reached.

        Raises `NoAgeCheckAwaited` for an order that does not wait for one.
        """
        if method not in _METHODS:
            rule = f"must be one of {', '.join(sorted(_METHODS))}"
            raise InvalidArgument("the check is not valid", violations=[FieldViolation("method", rule)])
        attempt = attempt_of("orders.verify_age", fingerprint)
        async with self._store.transaction() as tx:
            order = await seen(tx, OrderId(order_id))
            is_new = await made_before(tx, attempt, order.id, self._clock.now()) is None
            if is_new:
                order = await self._keep(tx, order, AgeCheckMethod(method), is_met=is_met)
        if is_new:
            self._tell(order, AgeCheckMethod(method), is_met=is_met)
        return await self._answering.settled(order)

    async def _keep(self, tx: Transaction, order: Order, method: AgeCheckMethod, *, is_met: bool) -> Order:
        if order.state is not OrderState.AWAITING_AGE_CHECK:
            raise NoAgeCheckAwaited(
                f"the order is {order.state} and waits for no age check", metadata={"state": order.state}
            )
        now, staff = self._clock.now(), current().caller.subject
        await tx.age_checks.add(AgeVerification(order.id, staff, method, order.minimum_age, is_met, now))
        if not is_met:
            closing = Closing(OrderState.REJECTED, AGE_NOT_MET)
            return await call_off(tx, order, closing, EventName.ORDER_REJECTED, now)
        order = order.age_verified(now)
        await tx.orders.move(order)
        await tx.errands.add(order.id)
        return order

    def _tell(self, order: Order, method: AgeCheckMethod, *, is_met: bool) -> None:
        self._changes.announce(order)
        if not order.synthetic:
            self._signals.age_checked(method, is_met=is_met)
        report(self._signals, order)
