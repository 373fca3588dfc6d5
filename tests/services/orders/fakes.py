"""The world around the orders service, in memory, and ways to break it."""

from __future__ import annotations

import inspect
import itertools
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import AbstractContextManager, asynccontextmanager
from dataclasses import dataclass, field, replace
from typing import Any
from uuid import NAMESPACE_OID, uuid5

from typing_extensions import override

from servicekit.clock import uuid7
from servicekit.context import Caller, RequestContext, Role, scope
from services.orders.model import Basket, BasketLine, Money, OrderId, Payment, PaymentId, PaymentState
from services.orders.ports import Payments, PaymentUnsettled, Signals

VISA = "pm_card_visa"
DECLINED = "pm_card_chargeDeclinedInsufficientFunds"
UNKNOWN_ONCE = "pm_unknown_once"

ALICE = Caller("alice", frozenset({Role.CUSTOMER}))
BOB = Caller("bob", frozenset({Role.CUSTOMER}))
MANAGER = Caller("mary", frozenset({Role.MANAGER}))

FINGERPRINT = bytes(32)
OTHER_FINGERPRINT = bytes([1]) * 32

_keys = itertools.count()


def called_by(
    caller: Caller, key: str = "", *, synthetic: bool = False, deadline: float | None = None
) -> AbstractContextManager[RequestContext]:
    """A request of this caller; each has an idempotency key of its own unless one is given."""
    key = key or f"key-{next(_keys)}"
    return scope(RequestContext(caller=caller, idempotency_key=key, synthetic=synthetic, deadline=deadline))


def basket(*lines: tuple[str, int], card: str = VISA) -> Basket:
    return Basket(tuple(BasketLine(sku, quantity) for sku, quantity in lines), (card,))


class FakePayments(Payments):
    """One payment for each order, as the payments service promises; its ledger is the judge.

    Attributes:
        holds: How often the provider was made to hold money for each order.
        charges: How often money was taken for each order.
        outages: Calls still to go unanswered.
    """

    def __init__(self, *, is_keyed: bool = True) -> None:
        self.holds: Counter[OrderId] = Counter()
        self.charges: Counter[OrderId] = Counter()
        self.outages = 0
        self._is_keyed = is_keyed
        self._payments: dict[PaymentId, Payment] = {}
        self._orders: dict[PaymentId, OrderId] = {}

    @override
    async def authorize(self, order_id: OrderId, amount: Money, handle: str) -> Payment:
        self._answer_or_not()
        payment_id = PaymentId(str(uuid5(NAMESPACE_OID, order_id)) if self._is_keyed else uuid7())
        payment = self._payments.get(payment_id)
        if payment is None:
            payment = _first_answer(payment_id, handle)
            self.holds[order_id] += 1
        elif payment.state is PaymentState.UNKNOWN:
            payment = replace(payment, state=PaymentState.AUTHORIZED)
        self._orders[payment_id] = order_id
        self._payments[payment_id] = payment
        return payment

    @override
    async def capture(self, payment_id: PaymentId) -> Payment:
        self._answer_or_not()
        payment = self._payments[payment_id]
        if payment.state is PaymentState.AUTHORIZED:
            payment = self._payments[payment_id] = replace(payment, state=PaymentState.CAPTURED)
            self.charges[self._orders[payment_id]] += 1
        return payment

    def _answer_or_not(self) -> None:
        if self.outages:
            self.outages -= 1
            raise PaymentUnsettled("unavailable", "nobody answers")


def _first_answer(payment_id: PaymentId, handle: str) -> Payment:
    if handle == DECLINED:
        return Payment(payment_id, PaymentState.DECLINED, "insufficient_funds")
    state = PaymentState.UNKNOWN if handle == UNKNOWN_ONCE else PaymentState.AUTHORIZED
    return Payment(payment_id, state)


@dataclass
class SeenSignals(Signals):
    """What was reported."""

    created: int = 0
    refused: list[str] = field(default_factory=list)
    completed: list[Money] = field(default_factory=list)
    rejected: list[str] = field(default_factory=list)
    answered_open: int = 0
    repeated: list[str] = field(default_factory=list)

    @override
    def order_created(self) -> None:
        self.created += 1

    @override
    def order_refused(self, reason: str) -> None:
        self.refused.append(reason)

    @override
    def order_completed(self, total: Money, seconds: float) -> None:
        self.completed.append(total)

    @override
    def order_rejected(self, reason: str, seconds: float) -> None:
        self.rejected.append(reason)

    @override
    def order_answered_open(self) -> None:
        self.answered_open += 1

    @override
    def payment_repeated(self, cause: str) -> None:
        self.repeated.append(cause)


class Died(BaseException):
    """The process is gone."""


class Crash:
    """The point at which the process dies, counted from 0; every port's call passes two."""

    def __init__(self, point: int) -> None:
        self._left = point

    def reach(self) -> None:
        self._left -= 1
        if self._left < 0:
            raise Died

    def before(self, port: Any) -> Any:
        """The port, except that the process may die before and after each of its calls."""
        return _Mortal(port, self)


class _Mortal:
    def __init__(self, port: Any, crash: Crash) -> None:
        self._port = port
        self._crash = crash

    def __getattr__(self, name: str) -> Any:
        value = getattr(self._port, name)
        if inspect.iscoroutinefunction(value):
            return self._call_of(value)
        return _Mortal(value, self._crash)

    def _call_of(self, method: Any) -> Any:
        async def call(*args: Any) -> Any:
            self._crash.reach()
            answer = await method(*args)
            self._crash.reach()
            return answer

        return call

    @asynccontextmanager
    async def transaction(self) -> AsyncIterator[Any]:
        self._crash.reach()
        async with self._port.transaction() as tx:
            yield _Mortal(tx, self._crash)
            self._crash.reach()
        self._crash.reach()
