"""One key, one effect: however many calls carry it at once, they make one order and tell of the same one."""

from __future__ import annotations

import asyncio
import json
import time
from collections import Counter
from random import Random

import pytest

from benchmarks.line import Answer
from tests.faults.judge import Judge, wrong_stock
from tests.faults.till import Till, basket
from tests.faults.workshop import Workshop

# Not in `make proof` until it has been seen green there, in its time (issue 3).
pytestmark = pytest.mark.torture

CALLS = 50


@pytest.mark.timeout(600)
async def test_fifty_calls_with_one_key_have_one_effect(
    workshop: Workshop, cashier: Till, manager: Till, chance: Random, torture: bool
) -> None:
    keys = [f"one-key-{chance.randbytes(8).hex()}" for _ in range(3000 if torture else 300)]
    sku = f"KEY-{chance.randbytes(4).hex().upper()}"
    await manager.stock(sku, 2 * len(keys))
    began = time.monotonic()
    answers: dict[str, list[Answer]] = {}

    async def all_at_once(key: str) -> None:
        calls = (cashier.once("POST", "/v1/orders", basket(sku), key) for _ in range(CALLS))
        answers[key] = await asyncio.gather(*calls)

    for key in keys:
        await all_at_once(key)
    seconds = time.monotonic() - began

    statuses = Counter(answer.status for each in answers.values() for answer in each)
    print(f"{len(keys)} keys x {CALLS} calls in {seconds:.0f} s: {dict(statuses)}")
    assert set(statuses) <= {201, 409}
    told = {key: {answer.body for answer in each if answer.status == 201} for key, each in answers.items()}
    assert {key: len(bodies) for key, bodies in told.items() if len(bodies) != 1} == {}
    orders = [json.loads(body) for bodies in told.values() for body in bodies]
    judge = await Judge.of(workshop)
    assert [found for order in orders for found in judge.violations(order)] == []
    assert await wrong_stock(manager, sku, len(keys)) == []


async def test_fifty_calls_with_keys_of_their_own_have_fifty_effects(
    cashier: Till, manager: Till, chance: Random
) -> None:
    """The control: it is the key that does it."""
    sku = f"KEY-{chance.randbytes(4).hex().upper()}"
    await manager.stock(sku, 2 * CALLS)

    orders = await asyncio.gather(*(cashier.order(sku) for _ in range(CALLS)))

    assert len({order["id"] for order in orders}) == CALLS
    assert await wrong_stock(manager, sku, CALLS) == []
