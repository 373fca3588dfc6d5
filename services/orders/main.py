"""The orders service, part by part."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from typing import Final

from tillmesh.auth.v1 import security_pb2
from tillmesh.orders.v1.inventory_pb2_grpc import add_InventoryServiceServicer_to_server
from tillmesh.orders.v1.offline_pb2_grpc import add_OfflineOrdersServiceServicer_to_server
from tillmesh.orders.v1.operations_pb2_grpc import (
    add_DeadLettersServiceServicer_to_server,
    add_ReportsServiceServicer_to_server,
)
from tillmesh.orders.v1.orders_pb2_grpc import add_OrdersServiceServicer_to_server
from tillmesh.orders.v1.products_pb2_grpc import add_ProductsServiceServicer_to_server
from tillmesh.orders.v1.receipts_pb2_grpc import add_ReceiptsServiceServicer_to_server
from tillmesh.payments.v1 import payments_pb2

from servicekit.crash_points import CrashPoints
from servicekit.flags import open_flags
from servicekit.kit import Kit
from servicekit.outbox import Outbox
from servicekit.published_keys import API, published_keys
from servicekit.serve import serve
from services.orders.clients import GrpcPayments, GrpcTills
from services.orders.config import OrdersSettings
from services.orders.metrics import ExperimentMetrics, OfflineMetrics, OrderMetrics, StandingMetrics
from services.orders.ports import Exposures, Payments, Products, Store
from services.orders.ports.offline import OfflineQueue, Tills
from services.orders.servicer import (
    DeadLettersServicer,
    InventoryServicer,
    OfflineOrdersServicer,
    OrderCases,
    OrdersServicer,
    ProductsServicer,
    ReceiptsServicer,
)
from services.orders.servicer.reports import ReportsServicer
from services.orders.store.postgres import PostgresExposures, PostgresStore
from services.orders.store.postgres.offline import PostgresOfflineQueue
from services.orders.store.postgres.reports import PostgresReports
from services.orders.usecases import (
    AgeVerifications,
    Answering,
    Catalogue,
    Changes,
    Closings,
    DeadLetterOffice,
    Experiments,
    Ordering,
    Permits,
    Receipts,
    Refunds,
    Reporting,
    Retention,
    Settling,
    Stockroom,
    Watching,
)
from services.orders.usecases.offline import (
    Limits,
    OfflineIntake,
    OfflineKeeping,
    OfflinePlacing,
    OfflineReports,
    Seam,
)
from services.orders.workers import (
    CONVERSIONS_SECONDS,
    EXPIRY_SECONDS,
    LOOK_SECONDS,
    OFFLINE_FORGET_SECONDS,
    OFFLINE_MEASURE_SECONDS,
    RETENTION_SECONDS,
    STANDING_SECONDS,
    OfflineWorker,
    Rounds,
    SettlingWorker,
)


def main(environ: Mapping[str, str]) -> int:
    """Run the orders service until it is told to stop; its exit code."""
    return serve("orders", OrdersSettings, build, environ)


CRASH_PORTS: Final[Mapping[str, type]] = {
    "store": Store,
    "payments": Payments,
    "outbox": Outbox,
    "tills": Tills,
    "offline": OfflineQueue,
    "exposures": Exposures,
}
"""What a proof may have this process die around, before and after each await: see servicekit.crash_points."""


async def build(kit: Kit[OrdersSettings]) -> None:
    """Compose the service."""
    crash = CrashPoints(kit.settings.crash_point)
    clock, make_id = kit.clock, kit.make_id
    database = kit.postgres()
    outbox = crash.around("outbox", Outbox(database, clock, make_id), Outbox)
    store: Store = crash.around("store", PostgresStore(database, outbox), Store)
    channel = kit.channel("payments", kit.settings.payments_target, payments_pb2.DESCRIPTOR)
    payments: Payments = crash.around("payments", GrpcPayments(channel), Payments)
    auth = kit.channel("auth", kit.settings.auth_target, API, security_pb2.DESCRIPTOR)
    kit.keys(published_keys(auth))
    tills: Tills = crash.around("tills", GrpcTills(auth, clock), Tills)
    flags = open_flags(kit.settings, kit.instruments)
    kit.lifetime.callback(flags.close)

    signals = OrderMetrics(kit.instruments)
    changes = Changes(clock)
    answering = Answering(store, changes, signals, clock)
    ordering = Ordering(store, answering, Permits(flags, tills), signals, clock, make_id)
    closings = Closings(store, answering, changes, signals, clock)
    refunds = Refunds(store, answering, changes, clock, make_id)
    ages = AgeVerifications(store, answering, changes, signals, clock)
    cases = OrderCases(ordering, closings, refunds, ages, Watching(store, changes))
    exposures = crash.around("exposures", PostgresExposures(database), Exposures)
    experiments = Experiments(exposures, flags, ExperimentMetrics(kit.instruments), clock)

    kit.add(add_ProductsServiceServicer_to_server, ProductsServicer(Catalogue(store, clock)))
    kit.add(add_InventoryServiceServicer_to_server, InventoryServicer(Stockroom(store, clock, make_id)))
    kit.add(add_OrdersServiceServicer_to_server, OrdersServicer(cases))
    kit.add(add_ReceiptsServiceServicer_to_server, ReceiptsServicer(Receipts(store.orders, experiments)))
    office = DeadLetterOffice(store, signals, clock)
    kit.add(add_DeadLettersServiceServicer_to_server, DeadLettersServicer(office))
    reporting = Reporting(PostgresReports(database), StandingMetrics(kit.instruments), clock)
    kit.add(add_ReportsServiceServicer_to_server, ReportsServicer(reporting))

    settling = Settling(store, payments, changes, signals, clock)
    tracer = kit.tracers.get_tracer("tillmesh.orders")
    kit.work("settling", SettlingWorker(outbox, settling, changes, kit.instruments, tracer).run)
    _go_rounds(kit, "changes", LOOK_SECONDS, lambda: changes.look(store))
    _go_rounds(kit, "expiry", EXPIRY_SECONDS, closings.sweep)
    _go_rounds(kit, "retention", RETENTION_SECONDS, Retention(store, clock).sweep)
    _go_rounds(kit, "standing", STANDING_SECONDS, reporting.take_stock)
    _go_rounds(kit, "conversions", CONVERSIONS_SECONDS, experiments.look_for_conversions)
    queue = crash.around("offline", PostgresOfflineQueue(database), OfflineQueue)
    _take_offline_sales(kit, queue, tills, store.products, Seam(ordering.place, ages.verify))


def _go_rounds(
    kit: Kit[OrdersSettings], name: str, seconds: float, go: Callable[[], Awaitable[object]]
) -> None:
    kit.work(name, Rounds(name, seconds, go, kit.clock).run)


def _take_offline_sales(
    kit: Kit[OrdersSettings], queue: OfflineQueue, tills: Tills, products: Products, seam: Seam
) -> None:
    """The offline queue, composed."""
    settings, clock = kit.settings, kit.clock
    signals = OfflineMetrics(kit.instruments)
    limits = Limits(settings.offline_sales_per_till, settings.offline_sales_in_total)
    intake = OfflineIntake(queue, tills, signals, clock, limits)
    keeping = OfflineKeeping(queue, signals, clock)
    worker = OfflineWorker(OfflinePlacing(queue, products, seam, signals, clock), clock)
    kit.add(
        add_OfflineOrdersServiceServicer_to_server,
        OfflineOrdersServicer(intake, OfflineReports(queue, tills)),
    )
    kit.work("offline", worker.run)
    _go_rounds(kit, "offline_depth", OFFLINE_MEASURE_SECONDS, keeping.measure)
    _go_rounds(kit, "offline_forget", OFFLINE_FORGET_SECONDS, keeping.forget)
