"""The saga of one order: whatever dies or does not answer, it is paid once and handed over once."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import pytest
from typing_extensions import override

from servicekit.clock import uuid7
from servicekit.outbox import LeaseLost
from services.orders.model import Errand, ErrandId, Order, OrderId, OrderState, Payment, PaymentId
from services.orders.ports import OrderMoved, PaymentRefused, PaymentUnsettled, Store
from tests.services.orders.fakes import (
    ALICE,
    DECLINED,
    FINGERPRINT,
    UNKNOWN_ONCE,
    VISA,
    Crash,
    Died,
    FakePayments,
    basket,
    called_by,
)
from tests.services.orders.shop import Shop


async def settle_with_a_crash(shop: Shop, order: Order, point: int) -> bool:
    """Let the worker die at a point and others go on; true if it did die."""
    crash = Crash(point)
    (errand,) = await shop.lease()
    died = False
    try:
        await shop.settling(crash.before(shop.store), crash.before(shop.payments)).settle(errand)
    except Died:
        died = True
    for _ in range(3):
        shop.expire()
        await shop.work()
    assert (await shop.order(order)).is_settled
    return died


async def test_an_order_survives_a_death_at_every_point_of_its_saga(any_shop: Shop) -> None:
    await any_shop.sell("A", units=100)

    for sold in itertools.count(1):
        order = await any_shop.place(basket(("A", 1)))
        died = await settle_with_a_crash(any_shop, order, point=sold - 1)

        assert (await any_shop.order(order)).state is OrderState.COMPLETED
        assert (any_shop.payments.holds[order.id], any_shop.payments.charges[order.id]) == (1, 1)
        assert await any_shop.units("A") == (100 - sold, 0)
        if not died:
            break

    assert sold > 20


async def test_a_declined_order_survives_a_death_at_every_point_of_its_saga(any_shop: Shop) -> None:
    await any_shop.sell("A", units=10)

    for point in itertools.count():
        order = await any_shop.place(basket(("A", 1), card=DECLINED))
        died = await settle_with_a_crash(any_shop, order, point)

        assert (await any_shop.order(order)).state is OrderState.REJECTED
        assert not any_shop.payments.charges
        assert await any_shop.units("A") == (10, 0)
        if not died:
            break

    assert point > 10


async def test_without_a_stable_key_a_death_holds_money_twice(shop: Shop) -> None:
    """The negative control: it is the payment's key that makes repeating safe."""
    await shop.sell("A", units=100)
    shop.payments = FakePayments(is_keyed=False)

    for point in range(20):
        order = await shop.place(basket(("A", 1)))
        await settle_with_a_crash(shop, order, point)

    assert max(shop.payments.holds.values()) == 2


async def test_a_death_at_any_point_of_placing_leaves_one_order_or_none(any_shop: Shop) -> None:
    await any_shop.sell("A", units=100)

    for placed in itertools.count(1):
        crash = Crash(placed - 1)
        ordering = any_shop.ordering_on(crash.before(any_shop.store))
        died = False
        with called_by(ALICE, f"k{placed}", deadline=any_shop.clock.monotonic()):
            try:
                await ordering.place(basket(("A", 1)), FINGERPRINT)
            except Died:
                died = True
        await any_shop.place(basket(("A", 1)), key=f"k{placed}")

        assert await any_shop.units("A") == (100, placed)
        assert len(await any_shop.lease()) == 1
        if not died:
            break

    assert placed > 10


async def test_an_unknown_payment_is_asked_for_again_and_releases_nothing(any_shop: Shop) -> None:
    await any_shop.sell("A")
    order = await any_shop.place(basket(("A", 1), card=UNKNOWN_ONCE))

    await any_shop.work()
    assert (await any_shop.order(order)).state is OrderState.PENDING
    assert await any_shop.units("A") == (10, 1)

    any_shop.expire()
    await any_shop.work()
    assert (await any_shop.order(order)).state is OrderState.COMPLETED
    assert (any_shop.payments.holds[order.id], any_shop.payments.charges[order.id]) == (1, 1)
    assert any_shop.signals.repeated == ["unknown"]


@pytest.mark.parametrize("outages", [1, 2, 5])
async def test_an_order_waits_for_payments_that_do_not_answer(shop: Shop, outages: int) -> None:
    await shop.sell("A")
    order = await shop.place(basket(("A", 1)))
    shop.payments.outages = outages

    for _ in range(outages):
        await shop.work()
        shop.expire()
        assert await shop.units("A") == (10, 1)
    await shop.work()

    assert (await shop.order(order)).state is OrderState.COMPLETED
    assert shop.signals.repeated == ["unavailable"] * outages


async def test_an_order_past_its_reservation_keeps_it_while_its_payment_is_open(shop: Shop) -> None:
    await shop.sell("A", units=1)
    order = await shop.place(basket(("A", 1), card=UNKNOWN_ONCE))
    await shop.work()

    shop.clock.advance(3600)
    assert await shop.units("A") == (1, 1)
    await shop.work()

    assert (await shop.order(order)).state is OrderState.COMPLETED


class RefusingPayments(FakePayments):
    """Will never take such a payment."""

    @override
    async def authorize(self, *_: object) -> Payment:
        raise PaymentRefused("AMOUNT_TOO_LARGE")


async def test_a_payment_that_is_never_taken_rejects_the_order(shop: Shop) -> None:
    await shop.sell("A")
    order = await shop.place(basket(("A", 1)))
    shop.payments = RefusingPayments()

    await shop.work()

    rejected = await shop.order(order)
    assert (rejected.state, rejected.state_reason) == (OrderState.REJECTED, "AMOUNT_TOO_LARGE")
    assert await shop.units("A") == (10, 0)


async def test_an_errand_of_an_order_that_somebody_else_settled_is_finished(shop: Shop) -> None:
    await shop.sell("A")
    order = await shop.place(basket(("A", 1)))
    await shop.work()
    async with shop.store.transaction() as tx:
        await tx.errands.add(order.id)

    await shop.work()

    shop.expire()
    assert await shop.lease() == []
    assert await shop.units("A") == (9, 0)


async def test_an_errand_without_an_order_is_a_fault(shop: Shop) -> None:
    with pytest.raises(LookupError):
        await shop.settling().settle(Errand(ErrandId(uuid7()), OrderId(uuid7()), 1))


class SlowPayments(FakePayments):
    """Holds up the first capture until it is told to go on, after the money was taken."""

    def __init__(self) -> None:
        super().__init__()
        self.is_held_up = asyncio.Event()
        self.go_on = asyncio.Event()

    @override
    async def capture(self, payment_id: PaymentId) -> Payment:
        payment = await super().capture(payment_id)
        if not self.is_held_up.is_set():
            self.is_held_up.set()
            await self.go_on.wait()
        return payment


class Loose:
    """A store that has lost its guards: the lease's token, the state a step begins from, or both."""

    def __init__(self, store: Store, *, is_fenced: bool, is_guarded: bool) -> None:
        self._store = store
        self._is_fenced = is_fenced
        self._is_guarded = is_guarded
        self.orders = store.orders

    @asynccontextmanager
    async def transaction(self) -> AsyncIterator[Any]:
        async with self._store.transaction() as tx:

            async def move(order: Order) -> None:
                stored = await tx.orders.get(order.id)
                assert stored is not None
                sequence = order.sequence if self._is_guarded else stored.sequence + 1
                await tx.orders.move(replace(order, sequence=sequence))

            async def finish(errand: Errand) -> None:
                if self._is_fenced:
                    await tx.errands.finish(errand)

            orders, errands = SimpleNamespace(move=move), SimpleNamespace(finish=finish)
            yield SimpleNamespace(orders=orders, errands=errands, inventory=tx.inventory)


async def units_after_a_zombie(shop: Shop, *, is_fenced: bool, is_guarded: bool) -> tuple[int, int]:
    """Of two open orders, let two workers settle the first; the stock after that."""
    shop.payments = payments = SlowPayments()
    await shop.sell("A", units=10)
    await shop.place(basket(("A", 1)))
    (errand,) = await shop.lease()
    await shop.place(basket(("A", 1), card=VISA))
    store = Loose(shop.store, is_fenced=is_fenced, is_guarded=is_guarded)
    zombie = asyncio.ensure_future(shop.settling(store).settle(errand))
    await payments.is_held_up.wait()
    shop.expire()
    for leased in await shop.lease():
        if leased.id == errand.id:
            await shop.settling(store).settle(leased)

    payments.go_on.set()
    with contextlib.suppress(OrderMoved, LeaseLost):
        await zombie
    return await shop.units("A")


@pytest.mark.parametrize(("is_fenced", "is_guarded"), [(True, True), (True, False), (False, True)])
async def test_a_worker_that_lost_its_lease_hands_nothing_over(
    any_shop: Shop, is_fenced: bool, is_guarded: bool
) -> None:
    units = await units_after_a_zombie(any_shop, is_fenced=is_fenced, is_guarded=is_guarded)

    assert units == (9, 1)


async def test_without_fence_and_guard_a_zombie_hands_over_twice(any_shop: Shop) -> None:
    """The negative control of the test above."""
    units = await units_after_a_zombie(any_shop, is_fenced=False, is_guarded=False)

    assert units == (8, 0)


async def test_an_open_payment_is_told_to_the_worker(shop: Shop) -> None:
    await shop.sell("A")
    await shop.place(basket(("A", 1), card=UNKNOWN_ONCE))
    (errand,) = await shop.lease()

    with pytest.raises(PaymentUnsettled):
        await shop.settling().settle(errand)
