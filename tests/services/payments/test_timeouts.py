"""A timeout is not a failure: whatever is lost, late, doubled or out of order, money moves once.

Orders are sold while one call in five fails in one way or another, some of them after the
money has moved, some long before it does. Then the provider heals, nobody asks any more, and
all must be settled within a minute. The stand-in's ledger is the judge.
"""

import asyncio
import contextlib
import time
from random import Random

import pytest

from servicekit.postgres import Query
from tests.services.payments.real import HeedlessProvider, Open, RealShop
from tests.services.payments.weather import (
    BAD_WEATHER,
    CALL_SECONDS,
    WILD_POST,
    at_stripe,
    orders_of,
    sell,
    workers_of,
    wrongs,
)

SETTLED_SECONDS = 60
OPEN = Query(
    "test.open",
    """
    SELECT (SELECT count(*) FROM payments WHERE state = 'UNKNOWN')
         + (SELECT count(*) FROM refunds WHERE state = 'UNKNOWN') AS open
    """,
)


async def prove(open_database: Open, count: int) -> None:
    seed = Random().randrange(2**32)
    chances = Random(seed)
    database = open_database("services.payments", database_pool_size=24)
    endpoint: list[RealShop] = []
    async with at_stripe(endpoint) as stripe:
        shop = RealShop(database, stripe.provider(timeout_seconds=CALL_SECONDS))
        endpoint.append(shop)
        orders = orders_of(shop, count, chances)
        for fault in (*BAD_WEATHER, *WILD_POST):
            await stripe.switch_on(**fault, seed=chances.randrange(2**32))
        async with workers_of(shop):
            started = time.monotonic()
            await sell(orders, tries=2)
            sold = time.monotonic()
            left = (await database.fetch_one(OPEN))["open"]  # type: ignore[index] # a row for sure
            await stripe.heal()
            while (await database.fetch_one(OPEN))["open"]:  # type: ignore[index] # as above
                assert time.monotonic() - sold < SETTLED_SECONDS, (
                    f"seed {seed}: {left} were unknown, not all settled"
                )
                await asyncio.sleep(0.1)
            healed = time.monotonic()
            await sell(orders, tries=5)
        found = wrongs(orders, await stripe.ledger())
        differences = await shop.bookkeeping.compare()
    print(
        f"seed {seed}: {count} orders in {sold - started:.0f} s, {left} unknown when the provider healed, "
        f"settled {healed - sold:.1f} s later, {found['doubled']} doubled, {found['lost']} lost, "
        f"{len(differences)} differences between the books and the payments"
    )
    assert (found["doubled"], found["lost"], differences) == (0, 0, [])


async def test_a_timeout_is_not_a_failure(open_database: Open) -> None:
    await prove(open_database, count=40)


@pytest.mark.proof
@pytest.mark.timeout(3600)
async def test_thousands_of_timeouts_are_no_failures(open_database: Open, torture: bool) -> None:
    await prove(open_database, count=10_000 if torture else 2_000)


async def test_with_an_intent_for_each_attempt_money_is_held_twice(open_database: Open) -> None:
    """The negative control: the ledger does show what would be wrong."""
    endpoint: list[RealShop] = []
    async with at_stripe(endpoint) as stripe:
        database = open_database("services.payments")
        shop = RealShop(database, HeedlessProvider(stripe.provider(timeout_seconds=CALL_SECONDS)))
        endpoint.append(shop)
        orders = orders_of(shop, 20, Random(1))
        await stripe.switch_on(kind="drop_after_commit", operation="payment_intents.confirm", count=5)

        await sell(orders, tries=8)

        assert wrongs(orders, await stripe.ledger())["doubled"] == 5


async def test_without_a_reconciler_what_is_unknown_stays_so(open_database: Open) -> None:
    """The negative control: it is the reconciler that settles, and nothing else here."""
    endpoint: list[RealShop] = []
    async with at_stripe(endpoint) as stripe:
        database = open_database("services.payments")
        shop = RealShop(database, stripe.provider(timeout_seconds=CALL_SECONDS))
        endpoint.append(shop)
        await stripe.switch_on(kind="webhook_delay", probability=1, seconds=60)
        await stripe.switch_on(kind="drop_after_commit", operation="payment_intents.confirm", count=1)
        await sell(orders_of(shop, 1, Random(1)), tries=1)

        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(0.5):
                while (await database.fetch_one(OPEN))["open"]:  # type: ignore[index] # a row for sure
                    await asyncio.sleep(0.1)

        assert (await database.fetch_one(OPEN))["open"] == 1  # type: ignore[index] # as above
