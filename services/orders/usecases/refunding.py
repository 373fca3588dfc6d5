"""Paying back completed orders: what is promised here, a worker makes."""

from __future__ import annotations

from typing import Final

from servicekit.clock import Clock, MakeId
from servicekit.context import current
from servicekit.errors import FieldViolation, InvalidArgument
from services.orders.errors import CurrencyMismatch, OrderNotCompleted, RefundTooLarge
from services.orders.model import Money, Order, OrderId, OrderState, Refund, RefundId, split
from services.orders.ports import Store, Transaction
from services.orders.usecases.answering import Answering, seen
from services.orders.usecases.attempts import attempt_of, made_before
from services.orders.usecases.changes import Changes
from services.orders.usecases.fields import MAX_MINOR_UNITS

_PAID: Final = frozenset({OrderState.COMPLETED, OrderState.PARTIALLY_REFUNDED})


class Refunds:
    """The refunds of the shop."""

    def __init__(
        self, store: Store, answering: Answering, changes: Changes, clock: Clock, make_id: MakeId
    ) -> None:
        self._store = store
        self._answering = answering
        self._changes = changes
        self._clock = clock
        self._make_id = make_id

    async def refund(self, order_id: str, amount: Money | None, fingerprint: bytes) -> Order:
        """Give an amount back, or all that is left, and wait until it is; the order right after.

        What is promised already counts as given: two refunds at once never exceed what was paid.
        Raises `RefundTooLarge`, `OrderNotCompleted` or `CurrencyMismatch`.
        """
        attempt = attempt_of("orders.refund", fingerprint)
        refund_id = RefundId(self._make_id())
        async with self._store.transaction() as tx:
            order = await seen(tx, OrderId(order_id))
            made = await made_before(tx, attempt, refund_id, self._clock.now())
            if made is None:
                order = await self._promise(tx, order, refund_id, amount)
        self._changes.announce(order)
        wanted = RefundId(made or refund_id)
        return await self._answering.refunded(order, lambda one: _made_at(one, wanted))

    async def _promise(
        self, tx: Transaction, order: Order, refund_id: RefundId, amount: Money | None
    ) -> Order:
        minor_units = _allowed(order, amount)
        now = self._clock.now()
        refund = Refund(refund_id, split(minor_units, order.refundable), current().caller.subject, now)
        order = order.refund_requested(refund, now)
        await tx.orders.move(order)
        await tx.errands.add(order.id)
        return order


def _allowed(order: Order, amount: Money | None) -> int:
    """How much may go back, in minor units; a refusal otherwise."""
    left = sum(order.refundable)
    if order.state not in _PAID:
        raise OrderNotCompleted(
            f"the order is {order.state}: there is nothing to give back", metadata={"state": order.state}
        )
    if amount is not None and not 0 < amount.minor_units <= MAX_MINOR_UNITS:
        fault = FieldViolation("amount.minor_units", "must be above zero")
        raise InvalidArgument("the refund is not valid", violations=[fault])
    if amount is not None and amount.currency_code != order.total.currency_code:
        raise CurrencyMismatch(
            f"the order was paid in {order.total.currency_code}",
            violations=[FieldViolation("amount.currency_code", "is not the currency of the order")],
        )
    if not left or (amount is not None and amount.minor_units > left):
        raise RefundTooLarge(
            "more than was paid and is not given back yet",
            violations=[FieldViolation("amount", f"may be at most {left} minor units")],
            metadata={"refundable_minor_units": str(left)},
        )
    return left if amount is None else amount.minor_units


def _made_at(order: Order, refund_id: RefundId) -> int | None:
    return next((one.made_at_sequence for one in order.refunds if one.id == refund_id), None)
