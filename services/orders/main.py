"""The orders service, part by part."""

from __future__ import annotations

from collections.abc import Mapping

from tillmesh.auth.v1 import security_pb2
from tillmesh.orders.v1.inventory_pb2_grpc import add_InventoryServiceServicer_to_server
from tillmesh.orders.v1.offline_pb2_grpc import add_OfflineOrdersServiceServicer_to_server
from tillmesh.orders.v1.operations_pb2_grpc import (
    DeadLettersServiceServicer,
    ReportsServiceServicer,
    add_DeadLettersServiceServicer_to_server,
    add_ReportsServiceServicer_to_server,
)
from tillmesh.orders.v1.orders_pb2_grpc import add_OrdersServiceServicer_to_server
from tillmesh.orders.v1.products_pb2_grpc import add_ProductsServiceServicer_to_server
from tillmesh.orders.v1.receipts_pb2_grpc import add_ReceiptsServiceServicer_to_server
from tillmesh.payments.v1 import payments_pb2

from servicekit.flags import open_flags
from servicekit.kit import Kit
from servicekit.outbox import Outbox
from servicekit.published_keys import API, published_keys
from servicekit.serve import serve
from services.orders.clients import GrpcPayments, GrpcTills
from services.orders.config import OrdersSettings
from services.orders.metrics import ExperimentMetrics, OfflineMetrics, OrderMetrics
from services.orders.ports import Products
from services.orders.ports.offline import OfflineQueue, PlaceOrder
from services.orders.servicer import (
    InventoryServicer,
    OfflineOrdersServicer,
    OrdersServicer,
    ProductsServicer,
    ReceiptsServicer,
)
from services.orders.store.postgres import PostgresExposures, PostgresStore
from services.orders.store.postgres.offline import PostgresOfflineQueue
from services.orders.usecases import (
    Catalogue,
    Experiments,
    Ordering,
    Receipts,
    Settlements,
    Settling,
    Stockroom,
)
from services.orders.usecases.offline import (
    Limits,
    OfflineIntake,
    OfflineKeeping,
    OfflinePlacing,
    OfflineReports,
)
from services.orders.workers import (
    CONVERSIONS_SECONDS,
    OFFLINE_FORGET_SECONDS,
    OFFLINE_MEASURE_SECONDS,
    OfflineWorker,
    Rounds,
    SettlementLook,
    SettlingWorker,
)


def main(environ: Mapping[str, str]) -> int:
    """Run the orders service until it is told to stop; its exit code."""
    return serve("orders", OrdersSettings, build, environ)


async def build(kit: Kit[OrdersSettings]) -> None:
    """Compose the service."""
    database = kit.postgres()
    outbox = Outbox(database, kit.clock, kit.make_id)
    store = PostgresStore(database, outbox)
    payments = GrpcPayments(kit.channel("payments", kit.settings.payments_target, payments_pb2.DESCRIPTOR))
    signals = OrderMetrics(kit.instruments)
    settlements = Settlements(kit.clock)
    flags = open_flags(kit.settings, kit.instruments)
    kit.lifetime.callback(flags.close)
    experiments = Experiments(
        PostgresExposures(database), flags, ExperimentMetrics(kit.instruments), kit.clock
    )

    catalogue = Catalogue(store, kit.clock)
    stockroom = Stockroom(store, kit.clock, kit.make_id)
    ordering = Ordering(store, settlements, signals, kit.clock, kit.make_id)
    settling = Settling(store, payments, settlements, signals, kit.clock)

    kit.add(add_ProductsServiceServicer_to_server, ProductsServicer(catalogue))
    kit.add(add_InventoryServiceServicer_to_server, InventoryServicer(stockroom))
    kit.add(add_OrdersServiceServicer_to_server, OrdersServicer(ordering))
    kit.add(add_ReceiptsServiceServicer_to_server, ReceiptsServicer(Receipts(store.orders, experiments)))
    _take_offline_sales(kit, PostgresOfflineQueue(database), store.products, ordering.place)
    # Planned: the chain answers for them.
    kit.add(add_DeadLettersServiceServicer_to_server, DeadLettersServiceServicer())
    kit.add(add_ReportsServiceServicer_to_server, ReportsServiceServicer())

    tracer = kit.tracers.get_tracer("tillmesh.orders")
    worker = SettlingWorker(outbox, settling, settlements, kit.instruments, tracer)
    kit.work("settling", worker.run)
    kit.work("settlement_look", SettlementLook(settlements, store, kit.clock).run)
    conversions = Rounds("conversions", CONVERSIONS_SECONDS, experiments.look_for_conversions, kit.clock)
    kit.work("conversions", conversions.run)


def _take_offline_sales(
    kit: Kit[OrdersSettings], queue: OfflineQueue, products: Products, place: PlaceOrder
) -> None:
    """The offline queue, composed."""
    settings, clock = kit.settings, kit.clock
    auth = kit.channel("auth", settings.auth_target, API, security_pb2.DESCRIPTOR)
    kit.keys(published_keys(auth))
    tills = GrpcTills(auth, clock)
    signals = OfflineMetrics(kit.instruments)
    limits = Limits(settings.offline_sales_per_till, settings.offline_sales_in_total)
    intake = OfflineIntake(queue, tills, signals, clock, limits)
    keeping = OfflineKeeping(queue, signals, clock)
    worker = OfflineWorker(OfflinePlacing(queue, products, place, signals, clock), clock)
    kit.add(
        add_OfflineOrdersServiceServicer_to_server,
        OfflineOrdersServicer(intake, OfflineReports(queue, tills)),
    )
    kit.work("offline", worker.run)
    kit.work("offline_depth", Rounds("offline_depth", OFFLINE_MEASURE_SECONDS, keeping.measure, clock).run)
    kit.work("offline_forget", Rounds("offline_forget", OFFLINE_FORGET_SECONDS, keeping.forget, clock).run)
