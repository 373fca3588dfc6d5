"""Orders as their buyers see them: place, look up, list."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import timedelta
from typing import Final

from servicekit.clock import Clock, MakeId
from servicekit.context import current
from servicekit.errors import FieldViolation, InvalidArgument, Refusal
from services.orders.errors import OrderNotFound, OutOfStock
from services.orders.model import (
    Basket,
    Order,
    OrderId,
    OrderLine,
    OrderState,
    Page,
    Product,
    Sku,
)
from services.orders.ports import Signals, Store, Transaction
from services.orders.usecases import baskets
from services.orders.usecases.answering import Answering, may_see
from services.orders.usecases.attempts import attempt_of, made_before
from services.orders.usecases.fields import is_id
from services.orders.usecases.paging import (
    DEFAULT_PAGE_SIZE,
    key_of,
    page_of,
    size_violations,
    token_violations,
)
from services.orders.usecases.permits import Permits

RESERVATION: Final = timedelta(minutes=15)
"""How long stock is promised to an order before it is called off (`closing.py`)."""


class Ordering:
    """The orders of the shop."""

    def __init__(
        self,
        store: Store,
        answering: Answering,
        permits: Permits,
        signals: Signals,
        clock: Clock,
        make_id: MakeId,
    ) -> None:
        self._store = store
        self._answering = answering
        self._permits = permits
        self._signals = signals
        self._clock = clock
        self._make_id = make_id

    async def place(self, basket: Basket, fingerprint: bytes) -> Order:
        """Accept an order and wait for it to settle; the order in the state it reached.

        An order that waits for an age check is answered at once. Repeating the attempt places nothing:
        it waits for the same order and answers the same. A refused order leaves nothing behind.
        """
        try:
            order = await self._accept(basket, fingerprint)
        except Refusal as refusal:
            if not current().synthetic:
                self._signals.order_refused(refusal.reason)
            raise
        return await self._answering.settled(order)

    async def get(self, order_id: str) -> Order:
        """One order; somebody else's is not found, except by the staff."""
        order = await self._store.orders.get(OrderId(order_id))
        if order is None or not may_see(current().caller, order):
            raise OrderNotFound("there is no order with this id")
        return order

    async def list(self, page_size: int, page_token: str, state: str) -> Page[Order]:
        """A page of orders, newest first; those of the caller, or all for the staff."""
        violations = [
            *size_violations(page_size),
            *token_violations(page_token, is_id),
            *_state_violations(state),
        ]
        if violations:
            raise InvalidArgument("the page asked for does not exist", violations=violations)
        caller = current().caller
        size = page_size or DEFAULT_PAGE_SIZE
        found = await self._store.orders.page(
            None if caller.is_staff else caller.subject,
            OrderState(state) if state else None,
            OrderId(key_of(page_token)) if page_token else None,
            size + 1,
        )
        return page_of(found, size, lambda order: order.id)

    async def _accept(self, basket: Basket, fingerprint: bytes) -> Order:
        baskets.check(basket)
        await self._permits.check(basket)
        attempt = attempt_of("orders.create", fingerprint)
        order_id = OrderId(self._make_id())
        async with self._store.transaction() as tx:
            made = await made_before(tx, attempt, order_id, self._clock.now())
            if made is None:
                order = await self._open(tx, order_id, basket)
            else:
                order = await _kept(tx, OrderId(made))
        if made is None and not order.synthetic:
            self._signals.order_created()
        return order

    async def _open(self, tx: Transaction, order_id: OrderId, basket: Basket) -> Order:
        products = await tx.products.named([Sku(line.sku) for line in basket.lines])
        order = self._order(order_id, basket, products)
        await tx.orders.add(order)
        if order.minimum_age:
            order = order.age_check_awaited(order.created_at)
            await tx.orders.move(order)
        else:
            await tx.errands.add(order.id)
        # Last, so that a product everybody wants is locked for the shortest time.
        short = await tx.inventory.reserve(order.id, order.lines, order.created_at)
        if short:
            raise _out_of_stock(order.lines, short)
        return order

    def _order(self, order_id: OrderId, basket: Basket, products: Mapping[Sku, Product]) -> Order:
        request, now = current(), self._clock.now()
        lines = baskets.priced(basket, products)
        total = baskets.total(lines)
        return Order(
            id=order_id,
            state=OrderState.PENDING,
            state_reason="",
            lines=lines,
            tenders=baskets.shares(basket, total),
            total=total,
            placed_by=request.caller.subject,
            synthetic=request.synthetic,
            created_at=now,
            updated_at=now,
            reserved_until=now + RESERVATION,
            till_id=basket.till_id,
            minimum_age=baskets.minimum_age(basket, products),
        )


async def _kept(tx: Transaction, order_id: OrderId) -> Order:
    order = await tx.orders.get(order_id)
    if order is None:
        raise OrderNotFound("the order that this key made is no longer kept")
    return order


def _out_of_stock(lines: Sequence[OrderLine], short: frozenset[Sku]) -> OutOfStock:
    lacking = [(index, line.sku) for index, line in enumerate(lines) if line.sku in short]
    return OutOfStock(
        "less is available than the order asks for",
        violations=[FieldViolation(f"lines[{index}].quantity", "is not available") for index, _ in lacking],
        metadata={"sku": lacking[0][1]},
    )


def _state_violations(state: str) -> list[FieldViolation]:
    if not state or state in OrderState.__members__:
        return []
    return [FieldViolation("state", "must be a state of an order")]
