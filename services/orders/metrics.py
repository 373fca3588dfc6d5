"""The `Signals` port, with the instruments declared in `observability/telemetry/orders.yaml`.

Imports no model: use cases know nothing of metrics, and metrics nothing of them.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Protocol

from servicekit.instruments import Instruments


class Amount(Protocol):
    """Money, as far as it is counted."""

    @property
    def currency_code(self) -> str:
        """ISO 4217."""
        ...

    @property
    def minor_units(self) -> int:
        """In the currency's smallest unit."""
        ...


class OrderMetrics:
    """Counts orders, their value, and how long they took."""

    def __init__(self, instruments: Instruments) -> None:
        self._created = instruments.counter("orders_created_total")
        self._refused = instruments.counter("orders_refused_total")
        self._settled = instruments.counter("orders_settled_total")
        self._rejected = instruments.counter("orders_rejected_total")
        self._value = instruments.counter("order_value_minor_units_total")
        self._seconds = instruments.histogram("order_settlement_seconds")
        self._answered_open = instruments.counter("orders_answered_open_total")
        self._repeated = instruments.counter("order_payment_repeats_total")
        self._cancelled = instruments.counter("orders_cancelled_total")
        self._refunds = instruments.counter("order_refunds_total")
        self._refunded = instruments.counter("order_refunded_minor_units_total")
        self._age_checks = instruments.counter("age_checks_total")
        self._replayed = instruments.counter("dead_letters_replayed_total")

    def order_created(self) -> None:
        """An order was accepted."""
        self._created.inc()

    def order_refused(self, reason: str) -> None:
        """An order was refused; nothing of it is kept."""
        self._refused.labels(reason=reason).inc()

    def order_completed(self, total: Amount, seconds: float) -> None:
        """An order was paid."""
        self._settled.labels(outcome="completed").inc()
        self._value.labels(currency=total.currency_code).inc(total.minor_units)
        self._seconds.labels(outcome="completed").observe(seconds)

    def order_rejected(self, reason: str, seconds: float) -> None:
        """An order's payment or its buyer's age was refused."""
        self._settled.labels(outcome="rejected").inc()
        self._rejected.labels(reason=reason).inc()
        self._seconds.labels(outcome="rejected").observe(seconds)

    def order_cancelled(self, reason: str, seconds: float) -> None:
        """An order was called off."""
        self._settled.labels(outcome="cancelled").inc()
        self._cancelled.labels(reason=reason).inc()
        self._seconds.labels(outcome="cancelled").observe(seconds)

    def order_refunded(self, amount: Amount) -> None:
        """So much of a completed order went back to its buyer."""
        self._refunds.inc()
        self._refunded.labels(currency=amount.currency_code).inc(amount.minor_units)

    def age_checked(self, method: str, *, is_met: bool) -> None:
        """Somebody looked at a buyer's age."""
        self._age_checks.labels(method=method, outcome="met" if is_met else "not_met").inc()

    def dead_letter_replayed(self) -> None:
        """Somebody put work that had given up back to work."""
        self._replayed.inc()

    def order_answered_open(self) -> None:
        """A caller had to be answered before its order was settled."""
        self._answered_open.inc()

    def payment_repeated(self, cause: str) -> None:
        """A payment step has to be made again."""
        self._repeated.labels(cause=cause).inc()


class ExperimentMetrics:
    """Counts who takes part in experiments, and who comes back."""

    def __init__(self, instruments: Instruments) -> None:
        self._exposed = instruments.counter("experiment_exposures_total")
        self._converted = instruments.counter("experiment_conversions_total")

    def customer_exposed(self, experiment: str, variant: str) -> None:
        """A customer was shown a variant for the first time."""
        self._exposed.labels(experiment=experiment, variant=variant).inc()

    def customer_converted(self, experiment: str, variant: str) -> None:
        """A customer who was shown a variant has completed another order."""
        self._converted.labels(experiment=experiment, variant=variant).inc()


class Depth(Protocol):
    """How much there is to do, as far as it is measured."""

    @property
    def waiting(self) -> int:
        """Sales."""
        ...

    @property
    def oldest_seconds(self) -> float:
        """How long the oldest has waited."""
        ...


class OfflineMetrics:
    """Counts what tills sold offline, and measures what still waits."""

    def __init__(self, instruments: Instruments) -> None:
        self._depth = instruments.gauge("offline_queue_depth")
        self._oldest = instruments.gauge("offline_queue_oldest_seconds")
        self._sales = instruments.counter("offline_sales_total")
        self._conflicts = instruments.counter("offline_conflicts_total")
        self._batches = instruments.counter("offline_batches_total")

    def batch_taken(self, accepted: int, repeated: int, refused: int) -> None:
        """A batch was answered."""
        self._batches.labels(outcome="taken").inc()
        for outcome, sales in (("accepted", accepted), ("repeated", repeated), ("refused", refused)):
            self._sales.labels(outcome=outcome).inc(sales)

    def batch_refused(self, reason: str) -> None:
        """A batch was refused; nothing of it is kept."""
        self._batches.labels(outcome=reason).inc()

    def sale_completed(self) -> None:
        """A sale became a paid order."""
        self._sales.labels(outcome="completed").inc()

    def sale_conflicted(self, reason: str) -> None:
        """A sale became a conflict."""
        self._sales.labels(outcome="conflicted").inc()
        self._conflicts.labels(reason=reason).inc()

    def depth_measured(self, depth: Depth) -> None:
        """There is so much to do."""
        self._depth.set(depth.waiting)
        self._oldest.set(depth.oldest_seconds)


class OpenOrders(Protocol):
    """The orders of one state that are not settled, as far as they are measured."""

    @property
    def count(self) -> int:
        """How many."""
        ...

    @property
    def oldest_seconds(self) -> float:
        """How long ago the first of them was placed."""
        ...


class Standing(Protocol):
    """How the shop stands, as far as it is measured."""

    @property
    def open_orders(self) -> Mapping[str, OpenOrders]:
        """By state."""
        ...

    @property
    def products(self) -> Mapping[Any, int]:
        """By how much of them can be sold."""
        ...

    @property
    def units_available(self) -> int:
        """That can be sold."""
        ...

    @property
    def units_reserved(self) -> int:
        """That are promised."""
        ...

    @property
    def reservations_overdue(self) -> int:
        """Orders."""
        ...


class StandingMetrics:
    """Measures what stands open: every replica the whole of it."""

    def __init__(self, instruments: Instruments) -> None:
        self._orders = instruments.gauge("orders_open")
        self._oldest = instruments.gauge("orders_open_oldest_seconds")
        self._products = instruments.gauge("inventory_products")
        self._units = instruments.gauge("inventory_units")
        self._overdue = instruments.gauge("inventory_reservations_overdue")

    def stands(self, standing: Standing) -> None:
        """The shop was found to stand like this."""
        for state in ("PENDING", "AWAITING_AGE_CHECK", "AUTHORIZED"):
            orders = standing.open_orders.get(state)
            self._orders.labels(state=state).set(orders.count if orders else 0)
            self._oldest.labels(state=state).set(orders.oldest_seconds if orders else 0)
        for level, products in standing.products.items():
            self._products.labels(level=str(level)).set(products)
        self._units.labels(state="available").set(standing.units_available)
        self._units.labels(state="reserved").set(standing.units_reserved)
        self._overdue.set(standing.reservations_overdue)
