"""A shop that sells through a provider in bad weather, and what the provider's ledger says afterwards."""

from __future__ import annotations

import asyncio
import contextlib
import sys
from collections import Counter, defaultdict
from collections.abc import AsyncIterator, Iterable
from random import Random
from typing import Any

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from sandbox.server import listen, running
from servicekit.clock import SystemClock, uuid7
from servicekit.errors import Refusal
from services.payments.model import Money, Payment, PaymentState
from services.payments.store.postgres import news_of
from services.payments.workers import NewsWorker, Reconciler
from tests.services.payments.conftest import Stripe
from tests.services.payments.fakes import TEN_EUROS, VISA
from tests.services.payments.real import WEBHOOK_SECRET, RealShop

WISHES = ("take", "take", "take", "take part", "let go", "give back", "give back part")
PART = Money("EUR", 400)
BAD_WEATHER: tuple[dict[str, Any], ...] = (
    {"kind": "error_before_commit", "probability": 0.04},
    {"kind": "error_after_commit", "probability": 0.04},
    {"kind": "drop_after_commit", "probability": 0.05},
    {"kind": "latency", "probability": 0.04, "seconds": 4},
    {"kind": "rate_limited", "probability": 0.03},
)
"""20 % of all calls, and some of them come true only after the caller has gone."""
WILD_POST: tuple[dict[str, Any], ...] = (
    {"kind": "webhook_duplicate", "probability": 0.5},
    {"kind": "webhook_spread", "probability": 1, "seconds": 3},
    {"kind": "search_lag", "probability": 1, "seconds": 60},
)
CALL_SECONDS = 3.0
"""Our patience with one asking: shorter than a late commit takes."""


class Order:
    """One order and what its buyer wants; the caller that a saga would be."""

    def __init__(self, shop: RealShop, wish: str) -> None:
        self.id = uuid7()
        self.wish = wish
        self.refund_id = uuid7()
        self._shop = shop

    async def step(self) -> bool:
        """Ask once for whatever is next; True when the wish has come true."""
        try:
            payment = await self._shop.payments.authorize(self.id, TEN_EUROS, VISA)
            if payment.state is PaymentState.AUTHORIZED:
                payment = await self._move_on(payment)
            if payment.is_taken and self.wish.startswith("give back"):
                amount = PART if self.wish.endswith("part") else None
                payment = await self._shop.refunds.refund(payment.id, self.refund_id, amount)
        except Refusal:
            return False
        return not payment.is_open and payment.state is not PaymentState.AUTHORIZED

    async def _move_on(self, payment: Payment) -> Payment:
        if self.wish == "let go":
            return await self._shop.payments.void(payment.id)
        return await self._shop.payments.capture(payment.id, PART if self.wish == "take part" else None)

    @property
    def movements(self) -> dict[str, int]:
        """What the provider's ledger must say in the end: no more, and no less."""
        return {
            "take": {"authorised": 1000, "captured": 1000},
            "take part": {"authorised": 1000, "captured": 400, "cancelled": 600},
            "let go": {"authorised": 1000, "cancelled": 1000},
            "give back": {"authorised": 1000, "captured": 1000, "refunded": 1000},
            "give back part": {"authorised": 1000, "captured": 1000, "refunded": 400},
        }[self.wish]


def orders_of(shop: RealShop, count: int, chances: Random) -> list[Order]:
    return [Order(shop, chances.choice(WISHES)) for _ in range(count)]


async def sell(orders: Iterable[Order], tries: int, at_once: int = 24) -> None:
    """Serve all orders, so many at a time, each with so many tries."""
    waiting = iter(orders)

    async def serve() -> None:
        for order in waiting:
            for _ in range(tries):
                if await order.step():
                    break

    await asyncio.gather(*(serve() for _ in range(at_once)))


def wrongs(orders: Iterable[Order], ledger: list[dict[str, Any]]) -> Counter[str]:
    """How many orders moved money that they should not have, or did not move what they should have."""
    moved: dict[str, list[tuple[str, int]]] = defaultdict(list)
    for entry in ledger:
        moved[entry["order_id"]].append((entry["movement"], entry["amount"]))
    found: Counter[str] = Counter()
    for order in orders:
        expected = Counter(order.movements.items())
        actual = Counter(moved[order.id])
        found["doubled"] += bool(actual - expected)
        found["lost"] += bool(expected - actual)
    return found


@contextlib.asynccontextmanager
async def at_stripe(endpoint: list[RealShop]) -> AsyncIterator[Stripe]:
    """The stand-in, which posts its events to the shop in `endpoint`, once there is one."""

    async def hook(request: Request) -> Response:
        try:
            await endpoint[0].listening.receive(await request.body(), request.headers["Stripe-Signature"])
        except Refusal as refusal:
            return Response(refusal.reason, status_code=400)
        return Response(status_code=204)

    ears = listen("127.0.0.1", 0)
    hooked = Starlette(routes=[Route("/hook", hook, methods=["POST"])])
    url = f"http://127.0.0.1:{ears.getsockname()[1]}/hook"
    environ = {"PORT": "0", "STRIPE_WEBHOOK_URL": url, "STRIPE_WEBHOOK_SECRET": WEBHOOK_SECRET}
    async with running(hooked, ears), _sandbox(environ) as address:
        stripe = Stripe(address)
        yield stripe
        await stripe.close()


@contextlib.asynccontextmanager
async def _sandbox(environ: dict[str, str]) -> AsyncIterator[str]:
    """The sandbox as a process of its own, as it is in a mesh; where it answers."""
    command = (sys.executable, "-m", "sandbox")
    process = await asyncio.create_subprocess_exec(*command, env=environ, stderr=asyncio.subprocess.PIPE)
    assert process.stderr is not None
    said = (await process.stderr.readline()).decode()
    reading = asyncio.create_task(process.stderr.read())
    try:
        yield said.split()[-1]
    finally:
        process.kill()
        await process.wait()
        await reading


@contextlib.asynccontextmanager
async def workers_of(shop: RealShop) -> AsyncIterator[None]:
    """The background loops of payments."""
    stop = asyncio.Event()
    async with asyncio.TaskGroup() as group:
        group.create_task(Reconciler(shop.reconciling, SystemClock()).run(stop))
        group.create_task(NewsWorker(shop.outbox, shop.listening, news_of).run(stop))
        try:
            yield
        finally:
            stop.set()
