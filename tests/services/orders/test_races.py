"""Many at once: nobody sells what is not there, and one name has one effect."""

from __future__ import annotations

import asyncio
import contextlib
from collections import Counter

import pytest

from servicekit.clock import uuid7
from servicekit.errors import IdempotencyKeyInFlight, StoreUnavailable
from servicekit.postgres import Database
from services.orders.errors import OutOfStock
from services.orders.model import Errand, MovementReason, Order, OrderState, Sku
from services.orders.ports import OrderMoved, PaymentUnsettled
from tests.services.orders.fakes import basket
from tests.services.orders.shop import Shop, postgres_shop

BUYERS, UNITS = 500, 100


async def settle_all_at_once(shop: Shop) -> None:
    settling = shop.settling()

    async def settle(errand: Errand) -> None:
        with contextlib.suppress(OrderMoved, PaymentUnsettled, StoreUnavailable):
            await settling.settle(errand)

    await asyncio.gather(*(settle(errand) for errand in await shop.lease()))


async def buy(shop: Shop, room: asyncio.Semaphore) -> Order | None:
    while True:
        async with room:
            try:
                return await shop.place(basket(("RARE", 1)))
            except OutOfStock:
                return None
            except StoreUnavailable:
                continue


async def sell_out(shop: Shop, sku_units: int, buyers: int) -> Counter[OrderState]:
    """Buyers race for the units while reservations end and are confirmed at the same time."""
    await shop.sell("RARE", units=sku_units)
    room = asyncio.Semaphore(8)
    orders = [order for order in await asyncio.gather(*(buy(shop, room) for _ in range(buyers))) if order]
    assert len(orders) == sku_units
    shop.clock.advance(900)
    await asyncio.gather(settle_all_at_once(shop), shop.closings.sweep())
    await shop.work_until_done()
    while True:
        again = [one for one in await asyncio.gather(*(buy(shop, room) for _ in range(buyers))) if one]
        await shop.work_until_done()
        orders += again
        if not again:
            return Counter([(await shop.order(order)).state for order in orders])


async def oversell_nothing(shop: Shop, units: int, buyers: int) -> None:
    ends = await sell_out(shop, units, buyers)

    assert ends[OrderState.COMPLETED] == units
    assert set(ends) <= {OrderState.COMPLETED, OrderState.CANCELLED}
    assert await shop.units("RARE") == (0, 0)
    for one in await shop.store.orders.page(None, None, None, 10_000):
        is_sold = one.state is OrderState.COMPLETED
        assert (shop.payments.held(one.id), shop.payments.kept(one.id)) == (0, 250 if is_sold else 0)
    history = await shop.store.inventory.movements(Sku("RARE"), None, 100_000)
    assert Counter(one.reason for one in history)[MovementReason.SOLD] == units
    print(f"{units} sold of {units}, 0 leaked; {ends[OrderState.CANCELLED]} called off by the clock")


async def test_twenty_buyers_of_five_units_get_five(stored_shop: Shop) -> None:
    await oversell_nothing(stored_shop, 5, 20)


@pytest.mark.proof
@pytest.mark.timeout(600)
@pytest.mark.parametrize("round_number", range(5))
async def test_no_oversell_with_expiry_racing_confirmation(stored_shop: Shop, round_number: int) -> None:
    await oversell_nothing(stored_shop, UNITS, BUYERS)


async def one_effect_each(shop: Shop, keys: int, calls: int) -> None:
    await shop.sell("A", units=10_000)

    async def place(key: str) -> str:
        try:
            return (await shop.place(basket(("A", 1)), key=key)).id
        except (IdempotencyKeyInFlight, StoreUnavailable):
            return ""

    for number in range(keys):
        key = f"key-{number}-{uuid7()}"
        answers = set(await asyncio.gather(*(place(key) for _ in range(calls)))) - {""}
        assert len(answers) == 1
    assert await shop.units("A") == (10_000, keys)
    print(f"{keys} keys x {calls} calls: {keys} effects")


async def test_one_key_has_one_effect(stored_shop: Shop) -> None:
    await one_effect_each(stored_shop, 3, 20)


@pytest.mark.proof
@pytest.mark.timeout(600)
async def test_300_keys_of_50_calls_at_once_have_300_effects(database: Database) -> None:
    await one_effect_each(postgres_shop(database), 300, 50)
