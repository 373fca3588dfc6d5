"""The orders service, part by part."""

from __future__ import annotations

from collections.abc import Mapping

from tillmesh.orders.v1.inventory_pb2_grpc import add_InventoryServiceServicer_to_server
from tillmesh.orders.v1.offline_pb2_grpc import (
    OfflineOrdersServiceServicer,
    add_OfflineOrdersServiceServicer_to_server,
)
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
from servicekit.serve import serve
from services.orders.clients import GrpcPayments
from services.orders.config import OrdersSettings
from services.orders.metrics import ExperimentMetrics, OrderMetrics
from services.orders.servicer import InventoryServicer, OrdersServicer, ProductsServicer, ReceiptsServicer
from services.orders.store.postgres import PostgresExposures, PostgresStore
from services.orders.usecases import (
    Catalogue,
    Experiments,
    Ordering,
    Receipts,
    Settlements,
    Settling,
    Stockroom,
)
from services.orders.workers import CONVERSIONS_SECONDS, Rounds, SettlementLook, SettlingWorker


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
    # Planned: the chain answers for them.
    kit.add(add_OfflineOrdersServiceServicer_to_server, OfflineOrdersServiceServicer())
    kit.add(add_DeadLettersServiceServicer_to_server, DeadLettersServiceServicer())
    kit.add(add_ReportsServiceServicer_to_server, ReportsServiceServicer())

    tracer = kit.tracers.get_tracer("tillmesh.orders")
    worker = SettlingWorker(outbox, settling, settlements, kit.instruments, tracer)
    kit.work("settling", worker.run)
    kit.work("settlement_look", SettlementLook(settlements, store, kit.clock).run)
    conversions = Rounds("conversions", CONVERSIONS_SECONDS, experiments.look_for_conversions, kit.clock)
    kit.work("conversions", conversions.run)
