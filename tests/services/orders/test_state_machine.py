"""Money and stock add up, whatever people, clocks and outages do in whatever order.

A pure model of the shop says what each act must answer; after each act the ledger of
the provider, the stock and its history, and the events of every order are compared.
"""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)
from typing_extensions import override

from services.orders.errors import (
    NoAgeCheckAwaited,
    OrderNotCompleted,
    OrderSettled,
    OutOfStock,
    RefundTooLarge,
)
from services.orders.model import MovementReason, Order, OrderId, OrderState, Sku
from tests.services.orders.fakes import (
    DECLINED,
    LAPSES,
    MANAGER,
    UNKNOWN_ONCE,
    VISA,
    basket,
    by_card,
    by_gift_card,
)
from tests.services.orders.shop import PRICE, Shop, memory_shop

CARDS = st.sampled_from([VISA, VISA, DECLINED, UNKNOWN_ONCE, LAPSES])
SKUS = st.sampled_from(["PLAIN", "WINE"])
PAID = {OrderState.COMPLETED, OrderState.PARTIALLY_REFUNDED, OrderState.REFUNDED}
MODEST = settings(
    max_examples=25, stateful_step_count=30, deadline=None, suppress_health_check=list(HealthCheck)
)
LONG = settings(MODEST, max_examples=2_000, stateful_step_count=40)


class ShopMachine(RuleBasedStateMachine):
    """The shop, beside a model that knows only sums."""

    def __init__(self) -> None:
        super().__init__()
        self.loop = asyncio.new_event_loop()
        self.shop: Shop = memory_shop()
        self.delivered = {"PLAIN": 20, "WINE": 20}
        self.promised: dict[OrderId, int] = {}
        self.orders: list[Order] = []
        for sku, age in (("PLAIN", 0), ("WINE", 18)):
            self.run(self.shop.sell(sku, units=20, age=age))

    def run(self, work: Coroutine[Any, Any, Any]) -> Any:
        return self.loop.run_until_complete(work)

    @override
    def teardown(self) -> None:
        try:
            self.end_the_day()
        finally:
            self.loop.close()

    def end_the_day(self) -> None:
        """With everybody reachable again every order settles."""
        self.shop.payments.outages = self.shop.payments.lost_answers = 0
        self.run(self.shop.work_until_done())
        self.shop.clock.advance(3600)
        self.run(self.shop.closings.sweep())
        self.run(self.shop.work_until_done())
        self.everything_adds_up()
        assert all(order.is_settled for order in self.now())

    def now(self) -> list[Order]:
        return [self.run(self.shop.order(order)) for order in self.orders]

    def one(self, data: st.DataObject) -> Order:
        return data.draw(st.sampled_from(self.now()))

    @rule(sku=SKUS, quantity=st.integers(1, 6), card=CARDS, other=CARDS, is_split=st.booleans())
    def place(self, sku: str, quantity: int, card: str, other: str, is_split: bool) -> None:
        total = quantity * PRICE.minor_units
        tenders = (by_gift_card(100), by_card(total - 200, card), by_card(100, other)) if is_split else ()
        wanted = basket((sku, quantity), card=card, tenders=tenders)
        available = self.run(self.shop.stock(sku)).available
        try:
            self.orders.append(self.run(self.shop.place(wanted)))
        except OutOfStock:
            assert available < quantity
        else:
            assert available >= quantity

    @rule(sku=SKUS, units=st.integers(1, 5))
    def restock(self, sku: str, units: int) -> None:
        with self.shop.calling(MANAGER):
            self.run(self.shop.stockroom.restock(sku, units, bytes(32)))
        self.delivered[sku] += units

    @rule(outages=st.integers(0, 3), lost_answers=st.integers(0, 3))
    def fail(self, outages: int, lost_answers: int) -> None:
        self.shop.payments.outages, self.shop.payments.lost_answers = outages, lost_answers

    @rule()
    def work(self) -> None:
        self.run(self.shop.work())
        self.shop.expire()

    @rule(seconds=st.sampled_from([1, 60, 901]))
    def wait(self, seconds: int) -> None:
        self.shop.clock.advance(seconds)
        self.run(self.shop.closings.sweep())

    @precondition(lambda self: self.orders)
    @rule(data=st.data())
    def cancel(self, data: st.DataObject) -> None:
        order = self.one(data)
        try:
            self.run(self.shop.cancel(order))
        except OrderSettled:
            assert order.is_settled
        else:
            assert not order.is_settled

    @precondition(lambda self: self.orders)
    @rule(data=st.data(), is_met=st.booleans())
    def verify(self, data: st.DataObject, is_met: bool) -> None:
        order = self.one(data)
        try:
            after = self.run(self.shop.verify(order, is_met=is_met))
        except NoAgeCheckAwaited:
            assert order.state is not OrderState.AWAITING_AGE_CHECK
        else:
            expected = OrderState.PENDING if is_met else OrderState.REJECTED
            assert (order.state, after.state) == (OrderState.AWAITING_AGE_CHECK, expected)

    @precondition(lambda self: self.orders)
    @rule(data=st.data(), minor_units=st.none() | st.integers(1, 2_000))
    def refund(self, data: st.DataObject, minor_units: int | None) -> None:
        order = self.one(data)
        left = order.total.minor_units - self.promised.get(order.id, 0)
        try:
            self.run(self.shop.refund(order, minor_units))
        except OrderNotCompleted:
            assert order.state not in PAID - {OrderState.REFUNDED}
        except RefundTooLarge:
            assert left == 0 or (minor_units or 0) > left
        else:
            assert order.state in PAID
            self.promised[order.id] = self.promised.get(order.id, 0) + (minor_units or left)

    @invariant()
    def everything_adds_up(self) -> None:
        orders = self.now()
        for order in orders:
            self.money_adds_up(order)
            self.events_have_no_gaps(order)
        for sku in self.delivered:
            self.stock_adds_up(sku, [order for order in orders if order.lines[0].sku == sku])

    def money_adds_up(self, order: Order) -> None:
        held, kept = self.shop.payments.held(order.id), self.shop.payments.kept(order.id)
        promised = self.promised.get(order.id, 0)
        assert order.refunded_minor <= promised <= order.total.minor_units
        if order.state in PAID:
            assert held == 0
            assert order.total.minor_units - promised <= kept
            assert kept <= order.total.minor_units - order.refunded_minor
        elif order.is_settled or order.state is OrderState.AWAITING_AGE_CHECK:
            assert (held, kept) == (0, 0)
        assert (order.state is OrderState.REFUNDED) == (order.refunded_minor == order.total.minor_units)

    def events_have_no_gaps(self, order: Order) -> None:
        events = self.run(self.shop.store.orders.events(order.id, 0, 1_000))
        assert [event.sequence for event in events] == list(range(1, order.sequence + 1))
        assert order.as_of(events[-1]) == order

    def stock_adds_up(self, sku: str, orders: list[Order]) -> None:
        stock = self.run(self.shop.stock(sku))
        sold = sum(order.lines[0].quantity for order in orders if order.state in PAID)
        open_units = sum(order.lines[0].quantity for order in orders if not order.is_settled)
        assert (stock.on_hand, stock.reserved) == (self.delivered[sku] - sold, open_units)
        history = self.run(self.shop.store.inventory.movements(Sku(sku), None, 10_000))
        assert [movement.number for movement in history] == list(range(stock.movements, 0, -1))
        delivered = sum(one.quantity for one in history if one.reason is MovementReason.DELIVERED)
        assert delivered == self.delivered[sku]


def test_money_and_stock_add_up() -> None:
    run_state_machine_as_test(ShopMachine, settings=MODEST)


@pytest.mark.proof
@pytest.mark.timeout(900)
def test_money_and_stock_add_up_at_length() -> None:
    """2,000 runs of 40 steps."""
    run_state_machine_as_test(ShopMachine, settings=LONG)


class LeakyMachine(ShopMachine):
    """The negative control: time alone releases the stock of an order whose money may be held."""

    @override
    @rule(seconds=st.just(901))
    def wait(self, seconds: int) -> None:
        self.shop.clock.advance(seconds)
        self.run(self._release_by_time())

    async def _release_by_time(self) -> None:
        for order_id in await self.shop.store.orders.expired(self.shop.clock.now(), 100):
            async with self.shop.store.transaction() as tx:
                order = await tx.orders.lock(order_id)
                assert order is not None
                await tx.inventory.release(order.id, order.lines, self.shop.clock.now())


def test_stock_released_by_time_alone_would_be_found() -> None:
    unshrunk = settings(MODEST, max_examples=200, phases=[Phase.generate])

    with pytest.raises((AssertionError, ValueError, ExceptionGroup)):
        run_state_machine_as_test(LeakyMachine, settings=unshrunk)
