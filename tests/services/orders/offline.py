"""The offline queue with a small world around it: tills, products, and orders that end as their cards say."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from datetime import UTC, datetime

from tillmesh.money.v1 import money_pb2
from tillmesh.orders.v1 import offline_pb2, orders_pb2
from typing_extensions import override

from servicekit.clock import ManualClock, uuid7
from servicekit.context import Caller, RequestContext, Role, current, scope
from servicekit.errors import PeerUnavailable, StoreUnavailable
from services.orders.errors import OutOfStock
from services.orders.model import Basket, Money, OrderId, OrderState, Product, Sku
from services.orders.model.offline import Intake, OfflineSale, QueueDepth, TillId, TillReport
from services.orders.ports.offline import OfflineQueue, OfflineSignals, PlacedOrder, PlaceOrder, Tills
from services.orders.usecases.offline import (
    Limits,
    OfflineIntake,
    OfflineKeeping,
    OfflinePlacing,
    OfflineReports,
    Seam,
)
from services.orders.wire import offline as offline_wire
from tests.services.orders.fakes import VISA

TILL = TillId("01890000-0000-7000-8000-000000000001")
OTHER_TILL = TillId("01890000-0000-7000-8000-000000000002")
CASHIER = Caller("carl", frozenset({Role.CASHIER}))
PRICE_MINOR = 250
SALE_TIME = datetime(2025, 12, 31, 23, 0, tzinfo=UTC)


def sent(
    sequence: int,
    sku: str = "TEA",
    *,
    quantity: int = 1,
    charged: int | None = None,
    card: str = VISA,
    till: str = TILL,
    currency: str = "EUR",
) -> OfflineSale:
    """A sale as its till sends it; at the right price, unless another is given."""
    message = message_of(sequence, sku, quantity=quantity, charged=charged, card=card, currency=currency)
    return offline_wire.sale_of(message, till)


def message_of(
    sequence: int,
    sku: str = "TEA",
    *,
    quantity: int = 1,
    charged: int | None = None,
    card: str = VISA,
    currency: str = "EUR",
) -> offline_pb2.OfflineSale:
    minor = PRICE_MINOR * quantity if charged is None else charged
    sale = offline_pb2.OfflineSale(
        sequence=sequence,
        order=orders_pb2.CreateOrderRequest(
            lines=[orders_pb2.BasketLine(sku=sku, quantity=quantity)],
            tenders=[orders_pb2.Tender(card=orders_pb2.CardTender(payment_method=card))],
        ),
        charged=money_pb2.Money(currency_code=currency, minor_units=minor),
    )
    sale.sale_time.FromDatetime(SALE_TIME)
    return sale


def by_cashier(*, synthetic: bool = False) -> AbstractContextManager[RequestContext]:
    return scope(RequestContext(caller=CASHIER, synthetic=synthetic))


class FakeTills(Tills):
    """Knows two tills; `is_away` while auth is."""

    def __init__(self) -> None:
        self.is_away = False

    @override
    async def is_known(self, till_id: TillId) -> bool:
        if self.is_away:
            raise PeerUnavailable("auth does not answer")
        return till_id in {TILL, OTHER_TILL}


@dataclass(frozen=True)
class FakeOrder:
    """What became of a sale that was placed."""

    id: OrderId
    state: OrderState
    state_reason: str = ""

    @property
    def is_settled(self) -> bool:
        return self.state.is_settled


@dataclass
class FakeOrders:
    """Places each attempt once, as `Ordering.place` promises: this is the judge of the queue.

    Attributes:
        placed: The attempts that made an order, in the order they were made.
        stock: Units of each product.
        is_away: Fails before anything is kept.
        is_slow: Keeps the order and answers before it has settled.
    """

    placed: list[str] = field(default_factory=list)
    stock: Counter[str] = field(default_factory=lambda: Counter({"TEA": 1_000_000, "WINE": 10}))
    is_away: bool = False
    is_slow: bool = False
    _orders: dict[str, FakeOrder] = field(default_factory=dict)

    async def place(self, basket: Basket, fingerprint: bytes) -> PlacedOrder:
        assert current().caller.subject == CASHIER.subject
        if self.is_away:
            raise StoreUnavailable("the store does not answer")
        key = current().idempotency_key
        if key not in self._orders:
            self._orders[key] = self._place(key, basket)
        order = self._orders[key]
        return FakeOrder(order.id, OrderState.PENDING) if self.is_slow else order

    async def verify_age(
        self, order_id: str, method: str, *, is_met: bool, fingerprint: bytes
    ) -> PlacedOrder:
        key = current().idempotency_key
        assert self._orders[key].id == order_id
        state, reason = (OrderState.COMPLETED, "") if is_met else (OrderState.REJECTED, "AGE_NOT_MET")
        self._orders[key] = FakeOrder(OrderId(order_id), state, reason)
        return self._orders[key]

    def sequences(self, till: TillId = TILL) -> list[int]:
        """The numbers of the till's sales that were placed, in the order they were."""
        named = [key.split("→") for key in self.placed]
        return [int(sequence) for _, till_id, sequence in named if till_id == till]

    def forget(self) -> None:
        """Know no attempt any more: what a broken `place` would do."""
        self._orders.clear()

    def _place(self, key: str, basket: Basket) -> FakeOrder:
        (line,) = basket.lines
        if self.stock[line.sku] < line.quantity:
            raise OutOfStock("less is available than the order asks for")
        self.placed.append(key)
        if "Declined" in basket.tenders[0].handle:
            return FakeOrder(OrderId(uuid7()), OrderState.REJECTED, "INSUFFICIENT_FUNDS")
        self.stock[line.sku] -= line.quantity
        if line.sku == "WINE":
            return FakeOrder(OrderId(uuid7()), OrderState.AWAITING_AGE_CHECK)
        return FakeOrder(OrderId(uuid7()), OrderState.COMPLETED)


class FakeProducts:
    """A catalogue of tea, and of wine for adults."""

    def __init__(self) -> None:
        made = datetime(2025, 1, 1, tzinfo=UTC)
        price = Money("EUR", PRICE_MINOR)
        self._products = {
            Sku("TEA"): Product(Sku("TEA"), "Tea", price, 0, made),
            Sku("WINE"): Product(Sku("WINE"), "Wine", price, 18, made),
        }

    async def named(self, skus: list[Sku]) -> dict[Sku, Product]:
        return {sku: self._products[sku] for sku in skus if sku in self._products}


@dataclass
class SeenOfflineSignals(OfflineSignals):
    """What was reported."""

    taken: list[tuple[int, int, int]] = field(default_factory=list)
    refused: list[str] = field(default_factory=list)
    completed: int = 0
    conflicted: list[str] = field(default_factory=list)
    depths: list[QueueDepth] = field(default_factory=list)

    @override
    def batch_taken(self, accepted: int, repeated: int, refused: int) -> None:
        self.taken.append((accepted, repeated, refused))

    @override
    def batch_refused(self, reason: str) -> None:
        self.refused.append(reason)

    @override
    def sale_completed(self) -> None:
        self.completed += 1

    @override
    def sale_conflicted(self, reason: str) -> None:
        self.conflicted.append(reason)

    @override
    def depth_measured(self, depth: QueueDepth) -> None:
        self.depths.append(depth)


class OfflineShop:
    """The offline queue on one store, whose worker works when it is told to."""

    def __init__(self, queue: OfflineQueue, limits: Limits | None = None) -> None:
        self.clock = ManualClock()
        self.queue = queue
        self.tills = FakeTills()
        self.orders = FakeOrders()
        self.products = FakeProducts()
        self.signals = SeenOfflineSignals()
        self.limits = limits or Limits(per_till=10_000, in_total=20_000)
        self.reports = OfflineReports(queue, self.tills)
        self.keeping = OfflineKeeping(queue, self.signals, self.clock)

    async def send(self, *sales: OfflineSale, till: str = TILL, synthetic: bool = False) -> Intake:
        intake = OfflineIntake(self.queue, self.tills, self.signals, self.clock, self.limits)
        with by_cashier(synthetic=synthetic):
            return await intake.take(till, sales)

    def placing(self, queue: OfflineQueue | None = None, place: PlaceOrder | None = None) -> OfflinePlacing:
        return OfflinePlacing(
            queue or self.queue,
            self.products,  # type: ignore[arg-type] # as much of a catalogue as is asked for
            Seam(place or self.orders.place, self.orders.verify_age),
            self.signals,
            self.clock,
        )

    async def work(self, may_go_on: Callable[[], bool] = lambda: True) -> None:
        """Let a worker serve every till that is due, until none is."""
        placing = self.placing()
        while turns := await placing.lease(100):
            for turn in turns:
                await placing.serve(turn, may_go_on)

    async def report(self, till: str = TILL, page_size: int = 0, page_token: str = "") -> TillReport:
        return await self.reports.of(till, page_size, page_token)

    async def reasons(self, till: str = TILL) -> dict[int, str]:
        """The conflicts of a till: why, by number."""
        return {one.sequence: one.ending.reason for one in (await self.report(till)).conflicts}
