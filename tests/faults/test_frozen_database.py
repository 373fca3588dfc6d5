"""A frozen database does not freeze us: every call is answered in its time, and service resumes by itself."""

from __future__ import annotations

import asyncio
import itertools
import os
import signal
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

import pytest

from benchmarks.line import NO_ANSWER
from tests.faults.judge import Judge, wrong_stock
from tests.faults.till import Json, Till, basket
from tests.faults.workshop import Workshop

pytestmark = pytest.mark.proof

FROZEN_SECONDS = 15.0
TILLS = 8
DEADLINES = {"POST": 10.0, "GET": 5.0}
"""What the API gives calls that bring no deadline of their own: orders.proto, and 5 s for the rest."""
REPORT_SECONDS = 0.02
SLACK_SECONDS = 0.2
"""Two cores are shared with whoever else works: ten times what we keep back to report a time-out."""
RESUMED_WITHIN_SECONDS = 15.0


@contextmanager
def frozen(workshop: Workshop) -> Iterator[None]:
    """Stop every process of the cluster: stopping the postmaster alone freezes no session."""
    processes = workshop.cluster()
    for process in processes:
        os.kill(process.pid, signal.SIGSTOP)
    try:
        yield
    finally:
        for process in processes:
            os.kill(process.pid, signal.SIGCONT)


@dataclass
class Load:
    """Tills that sell and look, and what they saw."""

    till: Till
    sku: str
    late: list[str] = field(default_factory=list)
    statuses: Counter[int] = field(default_factory=Counter)
    slowest: dict[str, float] = field(default_factory=lambda: dict.fromkeys(DEADLINES, 0.0))
    keys: set[str] = field(default_factory=set)
    sold_at: list[float] = field(default_factory=list)

    async def sell(self, name: str, stop: asyncio.Event) -> None:
        for number in itertools.count():
            if stop.is_set():
                return
            key = f"{name}-{number}"
            self.keys.add(key)
            while not await self._timed("POST", "/v1/orders", basket(self.sku), key) and not stop.is_set():
                await asyncio.sleep(0.05)

    async def look(self, stop: asyncio.Event) -> None:
        while not stop.is_set():
            await self._timed("GET", f"/v1/inventory/{self.sku}")
            await asyncio.sleep(0.05)

    async def _timed(self, method: str, path: str, body: Json | None = None, key: str = "") -> bool:
        began = time.monotonic()
        try:
            status = (await self.till.once(method, path, body, key)).status
        except NO_ANSWER as error:
            status = 0
            self.late.append(f"{method} {path}: {error!r}")
        seconds = time.monotonic() - began
        self.statuses[status] += 1
        self.slowest[method] = max(self.slowest[method], seconds)
        if seconds > DEADLINES[method] + REPORT_SECONDS + SLACK_SECONDS:
            self.late.append(f"{method} {path}: {status} after {seconds:.2f} s")
        if status == 201:
            self.sold_at.append(time.monotonic())
        return status == 201


@pytest.mark.timeout(300)
async def test_calls_are_answered_in_time_while_postgresql_is_frozen(
    workshop: Workshop, cashier: Till, manager: Till
) -> None:
    sku = f"FROZEN-{time.time_ns()}"
    await manager.stock(sku, 10_000)
    load, stop = Load(cashier, sku), asyncio.Event()
    async with asyncio.TaskGroup() as group:
        for number in range(TILLS):
            group.create_task(load.sell(f"{sku}-{number}", stop))
            group.create_task(load.look(stop))
        await asyncio.sleep(2)
        assert load.sold_at, load.statuses
        with frozen(workshop):
            await asyncio.sleep(FROZEN_SECONDS)
        thawed = time.monotonic()
        while load.sold_at[-1] < thawed and time.monotonic() < thawed + RESUMED_WITHIN_SECONDS:
            await asyncio.sleep(0.02)
        stop.set()

    resumed = min((at for at in load.sold_at if at > thawed), default=float("inf")) - thawed
    orders = await asyncio.gather(*(cashier.order(sku, key) for key in load.keys))
    judge = await Judge.of(workshop)
    print(f"slowest {load.slowest}, resumed after {resumed:.2f} s, {dict(load.statuses)}")
    assert load.late == []
    assert 500 not in load.statuses
    assert resumed < RESUMED_WITHIN_SECONDS
    assert [found for order in orders for found in judge.violations(order)] == []
    assert await wrong_stock(manager, sku, 10_000 - len(load.keys)) == []


@pytest.mark.timeout(120)
async def test_a_frozen_service_is_late(workshop: Workshop, cashier: Till, manager: Till) -> None:
    """The control: what is measured does show when nobody answers in time."""
    load = Load(cashier, "NOTHING")
    workshop.child("gateway").signal(signal.SIGSTOP)

    asking = asyncio.create_task(load._timed("GET", "/v1/inventory/NOTHING"))
    await asyncio.sleep(DEADLINES["GET"] + 1)
    workshop.child("gateway").signal(signal.SIGCONT)
    await asking

    assert load.late != []
