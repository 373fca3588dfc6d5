"""Orders as their buyers see them: place, look up, list."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from datetime import timedelta
from typing import Final
from uuid import UUID

from servicekit.clock import Clock, MakeId
from servicekit.context import Caller, current
from servicekit.errors import FieldViolation, InvalidArgument, Refusal, StoreUnavailable
from services.orders.errors import OrderNotFound, OutOfStock
from services.orders.model import (
    Basket,
    Order,
    OrderId,
    OrderLine,
    OrderState,
    Page,
    Sku,
    Tender,
    TenderMethod,
)
from services.orders.ports import Signals, Store, Transaction
from services.orders.usecases import baskets
from services.orders.usecases.attempts import attempt_of, made_before
from services.orders.usecases.paging import (
    DEFAULT_PAGE_SIZE,
    key_of,
    page_of,
    size_violations,
    token_violations,
)
from services.orders.usecases.settlements import Settlements

RESERVATION: Final = timedelta(minutes=15)
"""How long stock is promised to an order. Nothing calls it in yet: see `Order.reserved_until`."""

ANSWER_BEFORE_SECONDS: Final = 0.5
"""How long before its deadline a call is answered, settled or not (orders.proto)."""

PATIENCE_SECONDS: Final = 9.5
"""How long a call without a deadline waits."""

LAST_LOOK_SECONDS: Final = 0.25
"""How long the state reached is asked for, of the time kept back for the answer."""


class Ordering:
    """The orders of the shop."""

    def __init__(
        self, store: Store, settlements: Settlements, signals: Signals, clock: Clock, make_id: MakeId
    ) -> None:
        self._store = store
        self._settlements = settlements
        self._signals = signals
        self._clock = clock
        self._make_id = make_id

    async def place(self, basket: Basket, fingerprint: bytes) -> Order:
        """Accept an order and wait for it to settle; the order in the state it reached.

        Repeating the attempt places nothing: it waits for the same order, and answers with it as it
        now is. A refused order leaves nothing behind.
        """
        try:
            order = await self._accept(basket, fingerprint)
        except Refusal as refusal:
            if not current().synthetic:
                self._signals.order_refused(refusal.reason)
            raise
        return order if order.is_settled else await self._settled(order)

    async def get(self, order_id: str) -> Order:
        """One order; somebody else's is not found, except by the staff."""
        order = await self._store.orders.get(OrderId(order_id))
        if order is None or not _may_see(current().caller, order):
            raise OrderNotFound("there is no order with this id")
        return order

    async def list(self, page_size: int, page_token: str, state: str) -> Page[Order]:
        """A page of orders, newest first; those of the caller, or all for the staff."""
        violations = [
            *size_violations(page_size),
            *token_violations(page_token, _is_id),
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
        order = self._order(order_id, baskets.priced(basket, products), basket.cards[0])
        await tx.orders.add(order)
        await tx.errands.add(order.id)
        # Last, so that a product everybody wants is locked for the shortest time.
        short = await tx.inventory.reserve(order.lines, order.created_at)
        if short:
            raise _out_of_stock(order.lines, short)
        return order

    def _order(self, order_id: OrderId, lines: tuple[OrderLine, ...], handle: str) -> Order:
        request, now, total = current(), self._clock.now(), baskets.total(lines)
        return Order(
            id=order_id,
            state=OrderState.PENDING,
            state_reason="",
            lines=lines,
            tenders=(Tender(TenderMethod.CARD, handle, total),),
            total=total,
            placed_by=request.caller.subject,
            synthetic=request.synthetic,
            created_at=now,
            updated_at=now,
            reserved_until=now + RESERVATION,
        )

    async def _settled(self, order: Order) -> Order:
        deadline = current().deadline
        seconds = PATIENCE_SECONDS
        if deadline is not None:
            seconds = deadline - self._clock.monotonic() - ANSWER_BEFORE_SECONDS
        settled = await self._settlements.of(order.id, seconds)
        return settled or await self._reached(order)

    async def _reached(self, order: Order) -> Order:
        """The order as it is, or as it was accepted if the store does not say in time.

        The order is kept and goes on: failing the call here would tell its caller otherwise.
        """
        self._signals.order_answered_open()
        try:
            async with asyncio.timeout(LAST_LOOK_SECONDS):
                return await self._store.orders.get(order.id) or order
        except (StoreUnavailable, TimeoutError):
            return order


async def _kept(tx: Transaction, order_id: OrderId) -> Order:
    order = await tx.orders.get(order_id)
    if order is None:
        raise OrderNotFound("the order that this key made is no longer kept")
    return order


def _may_see(caller: Caller, order: Order) -> bool:
    return caller.is_staff or (bool(caller.subject) and order.placed_by == caller.subject)


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


def _is_id(text: str) -> bool:
    try:
        UUID(text)
    except ValueError:
        return False
    return True
