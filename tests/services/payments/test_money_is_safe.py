"""The whole of payments but gRPC: use cases, PostgreSQL and Stripe, with answers lost on the way.

The stand-in's ledger is the judge.
"""

import asyncio
from random import Random
from typing import Any

import pytest

from servicekit.clock import uuid7
from services.payments.model import PaymentState
from services.payments.ports import Provider
from services.payments.usecases import Payments
from tests.services.payments.fakes import TEN_EUROS, VISA
from tests.services.payments.real import HeedlessProvider, Open, RealShop


def payments_over(provider: Provider, open_database: Open) -> Payments:
    return RealShop(open_database("services.payments"), provider).payments


async def test_a_lost_answer_is_unknown_and_repeating_holds_once(stripe: Any, open_database: Open) -> None:
    payments = payments_over(stripe.provider(), open_database)
    await stripe.switch_on(kind="drop_after_commit", count=1, operation="payment_intents.confirm")
    order = uuid7()

    lost = await payments.authorize(order, TEN_EUROS, VISA)
    settled = await payments.authorize(order, TEN_EUROS, VISA)

    assert (lost.state, settled.state) == (PaymentState.UNKNOWN, PaymentState.AUTHORIZED)
    assert await stripe.movements() == ["authorised"]


async def test_with_an_intent_of_its_own_each_attempt_holds(stripe: Any, open_database: Open) -> None:
    payments = payments_over(HeedlessProvider(stripe.provider()), open_database)
    await stripe.switch_on(kind="drop_after_commit", count=1, operation="payment_intents.confirm")
    order = uuid7()

    for _ in range(2):
        await payments.authorize(order, TEN_EUROS, VISA)

    assert await stripe.movements() == ["authorised", "authorised"]


async def test_a_caller_cut_off_in_mid_call_holds_once(stripe: Any, open_database: Open) -> None:
    payments = payments_over(stripe.provider(), open_database)
    await stripe.switch_on(kind="latency", count=1, seconds=0.2)
    order = uuid7()

    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.1):
            await payments.authorize(order, TEN_EUROS, VISA)
    settled = await payments.authorize(order, TEN_EUROS, VISA)

    assert settled.state is PaymentState.AUTHORIZED
    assert await stripe.movements() == ["authorised"]


async def test_callers_at_once_hold_and_take_once(stripe: Any, open_database: Open) -> None:
    payments = payments_over(stripe.provider(), open_database)
    await stripe.switch_on(kind="latency", count=4, seconds=0.05)
    order = uuid7()

    held = await asyncio.gather(*(payments.authorize(order, TEN_EUROS, VISA) for _ in range(4)))
    taken = await asyncio.gather(*(payments.capture(held[0].id) for _ in range(4)))

    assert {payment.state for payment in held} == {PaymentState.AUTHORIZED}
    assert {payment.state for payment in taken} == {PaymentState.CAPTURED}
    assert await stripe.movements() == ["authorised", "captured"]


async def test_with_every_fault_at_once_each_order_is_paid_once(stripe: Any, open_database: Open) -> None:
    payments = payments_over(stripe.provider(), open_database)
    seed = Random().randrange(2**32)
    print(f"seed {seed}")
    for kind in ("rate_limited", "error_before_commit", "error_after_commit", "drop_after_commit"):
        await stripe.switch_on(kind=kind, probability=0.1, seed=seed)
    orders = [uuid7() for _ in range(20)]

    async def pay(order: str) -> None:
        payment = await payments.authorize(order, TEN_EUROS, VISA)
        while payment.state is not PaymentState.CAPTURED:
            if payment.state is PaymentState.UNKNOWN:
                payment = await payments.authorize(order, TEN_EUROS, VISA)
            else:
                payment = await payments.capture(payment.id)

    await asyncio.gather(*map(pay, orders))

    ledger = await stripe.ledger()
    moved = sorted((entry["order_id"], entry["movement"]) for entry in ledger)
    assert moved == sorted((order, movement) for order in orders for movement in ("authorised", "captured"))
