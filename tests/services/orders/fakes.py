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
from services.orders.model import (
    AgeCheckMethod,
    Basket,
    BasketLine,
    Money,
    OrderId,
    Payment,
    PaymentId,
    PaymentState,
    RefundId,
    Tender,
    Tendered,
    TenderMethod,
)
from services.orders.model.offline import TillId
from services.orders.ports import Flags, PaymentRefused, Payments, PaymentTaken, PaymentUnsettled, Signals
from services.orders.ports.offline import Tills

VISA = "pm_card_visa"
DECLINED = "pm_card_chargeDeclinedInsufficientFunds"
UNKNOWN_ONCE = "pm_unknown_once"
LAPSES = "pm_hold_lapses"
"""Its hold is gone by the time it should be captured."""
GIFT_CARD = "GIFT-1234"

ALICE = Caller("alice", frozenset({Role.CUSTOMER}))
BOB = Caller("bob", frozenset({Role.CUSTOMER}))
MANAGER = Caller("mary", frozenset({Role.MANAGER}))
CASHIER = Caller("carl", frozenset({Role.CASHIER}))

FINGERPRINT = bytes(32)
OTHER_FINGERPRINT = bytes([1]) * 32

_keys = itertools.count()


def called_by(
    caller: Caller, key: str = "", *, synthetic: bool = False, deadline: float | None = None
) -> AbstractContextManager[RequestContext]:
    """A request of this caller; each has an idempotency key of its own unless one is given."""
    key = key or f"key-{next(_keys)}"
    return scope(RequestContext(caller=caller, idempotency_key=key, synthetic=synthetic, deadline=deadline))


def basket(
    *lines: tuple[str, int], card: str = VISA, tenders: tuple[Tendered, ...] = (), till_id: str = ""
) -> Basket:
    """A basket paid with one card, unless other tenders are given."""
    tenders = tenders or (Tendered(TenderMethod.CARD, card),)
    return Basket(tuple(BasketLine(sku, quantity) for sku, quantity in lines), tenders, till_id)


def euros(method: TenderMethod, handle: str, minor_units: int) -> Tendered:
    return Tendered(method, handle, Money("EUR", minor_units))


def by_card(minor_units: int, card: str = VISA) -> Tendered:
    return euros(TenderMethod.CARD, card, minor_units)


def in_cash(minor_units: int) -> Tendered:
    return euros(TenderMethod.CASH, "", minor_units)


def by_gift_card(minor_units: int, code: str = GIFT_CARD) -> Tendered:
    return euros(TenderMethod.GIFT_CARD, code, minor_units)


class FakeFlags(Flags):
    """Flags that are all on, but those that are switched off."""

    def __init__(self) -> None:
        self.off: set[str] = set()

    @override
    def is_on(self, flag: str, customer: str) -> bool:
        return flag not in self.off

    @override
    def variant(self, flag: str, customer: str, default: str) -> str:
        return default


class FakeTills(Tills):
    """The tills of the shop."""

    def __init__(self) -> None:
        self.known = {TillId("till-1")}

    @override
    async def is_known(self, till_id: TillId) -> bool:
        return till_id in self.known


@dataclass
class Held:
    """One payment, as the provider has it.

    Attributes:
        minor_units: What was asked for.
        taken: What was taken of it.
        refunds: What was given back, by the name it was asked under.
    """

    payment: Payment
    order_id: OrderId
    minor_units: int
    taken: int = 0
    refunds: dict[RefundId, int] = field(default_factory=dict)


class FakePayments(Payments):
    """One payment for each share, as the payments service promises; its ledger is the judge.

    Attributes:
        holds: How often the provider was made to hold money for each order.
        charges: How often money was taken for each order.
        outages: Calls still to go unanswered.
        lost_answers: Calls still to be done without an answer.
    """

    def __init__(self, *, is_keyed: bool = True) -> None:
        self.holds: Counter[OrderId] = Counter()
        self.charges: Counter[OrderId] = Counter()
        self.outages = 0
        self.lost_answers = 0
        self._is_keyed = is_keyed
        self._kept: dict[PaymentId, Held] = {}
        self._called_off: set[PaymentId] = set()

    def held(self, order_id: OrderId) -> int:
        """What the provider holds for an order and has not taken, in minor units."""
        return sum(
            one.minor_units
            for one in self._kept.values()
            if one.order_id == order_id
            and one.payment.state in {PaymentState.AUTHORIZED, PaymentState.UNKNOWN}
        )

    def kept(self, order_id: OrderId) -> int:
        """What was taken for an order and not given back, in minor units."""
        mine = [one for one in self._kept.values() if one.order_id == order_id]
        return sum(one.taken - sum(one.refunds.values()) for one in mine)

    @override
    def id_of(self, order_id: OrderId, share: int) -> PaymentId:
        return PaymentId(str(uuid5(NAMESPACE_OID, f"{order_id}/{share}")))

    @override
    async def authorize(self, order_id: OrderId, share: int, tender: Tender) -> Payment:
        self._answer_or_not()
        payment_id = self.id_of(order_id, share) if self._is_keyed else PaymentId(uuid7())
        held = self._kept.get(payment_id)
        if held is None:
            payment = _first_answer(payment_id, tender.handle)
            if payment_id in self._called_off:
                payment = Payment(payment_id, PaymentState.VOIDED)
            held = self._kept[payment_id] = Held(payment, order_id, tender.amount.minor_units)
            if not payment.state.is_nothing:
                self.holds[order_id] += 1
        elif held.payment.state is PaymentState.UNKNOWN:
            held.payment = replace(held.payment, state=PaymentState.AUTHORIZED)
        if tender.handle == LAPSES and held.payment.state is PaymentState.AUTHORIZED:
            self._called_off.add(payment_id)
        return self._answered(held)

    @override
    async def capture(self, payment_id: PaymentId) -> Payment:
        self._answer_or_not()
        held = self._kept[payment_id]
        if payment_id in self._called_off:
            held.payment = replace(held.payment, state=PaymentState.VOIDED)
        if held.payment.state is PaymentState.AUTHORIZED:
            held.payment = replace(held.payment, state=PaymentState.CAPTURED)
            held.taken = held.minor_units
            self.charges[held.order_id] += 1
        if not held.payment.state.is_taken:
            raise PaymentRefused("PAYMENT_NOT_HELD")
        return self._answered(held)

    @override
    async def void(self, payment_id: PaymentId) -> Payment:
        self._answer_or_not()
        self._called_off.add(payment_id)
        held = self._kept.get(payment_id)
        if held is None:
            return Payment(payment_id, PaymentState.VOIDED)
        if held.payment.state.is_taken:
            raise PaymentTaken(f"payment {payment_id} is ours")
        if held.payment.state is not PaymentState.DECLINED:
            held.payment = replace(held.payment, state=PaymentState.VOIDED)
        return self._answered(held)

    @override
    async def refund(self, payment_id: PaymentId, amount: Money, refund_id: RefundId) -> Payment:
        self._answer_or_not()
        held = self._kept[payment_id]
        if refund_id not in held.refunds:
            left = held.taken - sum(held.refunds.values())
            if not held.payment.state.is_taken or amount.minor_units > left:
                raise PaymentRefused("REFUND_TOO_LARGE")
            held.refunds[refund_id] = amount.minor_units
        back = sum(held.refunds.values())
        state = PaymentState.REFUNDED if back == held.taken else PaymentState.PARTIALLY_REFUNDED
        held.payment = replace(held.payment, state=state, refunded_minor=back)
        return self._answered(held)

    def _answer_or_not(self) -> None:
        if self.outages:
            self.outages -= 1
            raise PaymentUnsettled("unavailable", "nobody answers")

    def _answered(self, held: Held) -> Payment:
        if self.lost_answers:
            self.lost_answers -= 1
            raise PaymentUnsettled("unavailable", "the answer was lost")
        return held.payment


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
    cancelled: list[str] = field(default_factory=list)
    refunded: list[Money] = field(default_factory=list)
    ages: list[tuple[str, bool]] = field(default_factory=list)
    replayed: int = 0
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
    def order_cancelled(self, reason: str, seconds: float) -> None:
        self.cancelled.append(reason)

    @override
    def order_refunded(self, amount: Money) -> None:
        self.refunded.append(amount)

    @override
    def age_checked(self, method: AgeCheckMethod, *, is_met: bool) -> None:
        self.ages.append((method, is_met))

    @override
    def dead_letter_replayed(self) -> None:
        self.replayed += 1

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
        return value if inspect.ismethod(value) else _Mortal(value, self._crash)

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
