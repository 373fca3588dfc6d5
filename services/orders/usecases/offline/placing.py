"""Sales, placed as orders: one after the other for each till, many tills at once.

Each is placed under a key made of its till and number, so that a process may die at any
point: whoever works on the till next places the same order, which is placed already,
and keeps what it became. A sale ends before the next of its till begins.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from typing import Final

from servicekit.clock import Clock
from servicekit.context import Caller, RequestContext, Role, scope
from servicekit.errors import Kind, Refusal
from services.orders.model import Money, OrderState, Product, Sku
from services.orders.model.offline import Ending, OfflineSale, QueuedSale, Turn, skus_of
from services.orders.ports import Products
from services.orders.ports.offline import OfflineQueue, OfflineSignals, PlacedOrder, PlaceOrder, VerifyAge
from services.orders.usecases import baskets

LEASE: Final = timedelta(seconds=10)
"""How long a till is held for one sale. Longer than placing one takes, with all its time-outs."""

PATIENCE_SECONDS: Final = 4.0
"""How long one attempt may wait for an order to settle."""

TURN: Final = 50
"""Sales of one till until another till may have its turn."""

AGAIN: Final = timedelta(seconds=1)
"""When a till is tried again whose sale could not be ended, because somebody we need was away."""

_PASSING: Final = frozenset(
    {Kind.UNAVAILABLE, Kind.ABORTED, Kind.DEADLINE_EXCEEDED, Kind.RESOURCE_EXHAUSTED, Kind.INTERNAL}
)
"""Refusals that say nothing of the sale: it is tried again."""


class SaleUnsettled(Exception):
    """What the sale becomes is not known yet: try again later, and nothing of this till before it."""


@dataclass(frozen=True, slots=True)
class Seam:
    """What the queue asks of those who make orders, for the request that runs."""

    place: PlaceOrder
    verify_age: VerifyAge


class OfflinePlacing:
    """Places the sales of one till at a time; any number of replicas at once."""

    def __init__(
        self,
        queue: OfflineQueue,
        products: Products,
        seam: Seam,
        signals: OfflineSignals,
        clock: Clock,
    ) -> None:
        self._queue = queue
        self._products = products
        self._seam = seam
        self._signals = signals
        self._clock = clock

    async def lease(self, limit: int) -> list[Turn]:
        """Take up to `limit` tills that have sales waiting."""
        now = self._clock.now()
        return await self._queue.lease(limit, now, now + LEASE)

    async def serve(self, turn: Turn, may_go_on: Callable[[], bool]) -> None:
        """Place the till's next sales while we may, and give the till back.

        Raises `TurnLost` when another worker has taken over, `SaleUnsettled` when somebody we need
        is away: then the till is given back for a while and none of its sales is passed over.
        """
        try:
            for queued in await self._queue.next(turn, TURN):
                if not may_go_on():
                    break
                await self._end(turn, queued)
        except SaleUnsettled:
            await self._queue.give_back(turn, self._clock.now() + AGAIN)
            raise
        await self._queue.give_back(turn, self._clock.now())

    async def _end(self, turn: Turn, queued: QueuedSale) -> None:
        ending = await self._ending(queued)
        now = self._clock.now()
        await self._queue.end(turn, queued.sale.sequence, ending, now, now + LEASE)
        if queued.synthetic:
            return
        if ending.is_conflict:
            self._signals.sale_conflicted(ending.reason)
        else:
            self._signals.sale_completed()

    async def _ending(self, queued: QueuedSale) -> Ending:
        try:
            with scope(self._request(queued)):
                return await self._placed(queued.sale)
        except Refusal as refusal:
            if refusal.kind in _PASSING:
                raise SaleUnsettled(refusal.message) from refusal
            return Ending(None, refusal.reason, refusal.message)

    async def _placed(self, sale: OfflineSale) -> Ending:
        # Products are never changed: what is compared here is what the order will cost.
        products = await self._products.named(skus_of(sale.basket))
        conflict = _conflict(sale, products)
        return conflict or _ending_of(await self._order(sale))

    async def _order(self, sale: OfflineSale) -> PlacedOrder:
        order = await self._seam.place(sale.basket, sale.fingerprint)
        check = sale.age_check
        if check is None or order.state is not OrderState.AWAITING_AGE_CHECK:
            return order
        return await self._seam.verify_age(
            order.id, check.method, is_met=check.is_met, fingerprint=sale.fingerprint
        )

    def _request(self, queued: QueuedSale) -> RequestContext:
        return RequestContext(
            request_id=queued.request_id,
            caller=Caller(queued.placed_by, frozenset({Role.CASHIER})),
            idempotency_key=_key(queued),
            synthetic=queued.synthetic,
            deadline=self._clock.monotonic() + PATIENCE_SECONDS,
        )


def _key(queued: QueuedSale) -> str:
    """Names the attempt. No caller can send this name: what arrives by gRPC or HTTP is ASCII."""
    return f"offline→{queued.till_id}→{queued.sale.sequence}"


def _conflict(sale: OfflineSale, products: dict[Sku, Product]) -> Ending | None:
    """Why the sale cannot be placed as it was made, if that can be told before."""
    restricted = [product for product in products.values() if product.minimum_age > 0]
    if restricted and sale.age_check is None:
        first = min(restricted, key=lambda product: product.sku)
        told = f"{first.sku} may be sold from {first.minimum_age} years only, and nobody checked"
        return Ending(None, "AGE_CHECK_NOT_DONE", told)
    price = baskets.total(baskets.priced(sale.basket, products))
    if price != sale.charged:
        told = f"the till charged {_words(sale.charged)} for what costs {_words(price)}"
        return Ending(None, "PRICE_CHANGED", told)
    return None


def _ending_of(order: PlacedOrder) -> Ending:
    if not order.is_settled:
        raise SaleUnsettled(f"order {order.id} is {order.state}")
    if order.state in {OrderState.REJECTED, OrderState.CANCELLED}:
        told = f"the order was placed, and is {order.state}"
        return Ending(order.id, order.state_reason, told)
    return Ending(order.id)


def _words(money: Money) -> str:
    return f"{money.minor_units} {money.currency_code} (minor units)"
