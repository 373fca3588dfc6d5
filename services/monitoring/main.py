"""The parts of monitoring, and how they fit."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from tillmesh.monitoring.v1.alerts_pb2_grpc import (
    AlertsServiceServicer,
    ObjectivesServiceServicer,
    add_AlertsServiceServicer_to_server,
    add_ObjectivesServiceServicer_to_server,
)
from tillmesh.monitoring.v1.mesh_pb2_grpc import add_MeshServiceServicer_to_server
from tillmesh.monitoring.v1.telemetry_pb2_grpc import add_TelemetryServiceServicer_to_server

from servicekit.kit import Front, Kit
from servicekit.postgres import Database
from servicekit.serve import serve
from services.monitoring.aggregates import Aggregates
from services.monitoring.clients import source_for
from services.monitoring.config import MonitoringSettings
from services.monitoring.ingest import Intake, Limits
from services.monitoring.mesh import History, MeshView
from services.monitoring.metrics import (
    IngestSignals,
    MeshSignals,
    QueryMetrics,
    RecordedMetrics,
    WindowsSignals,
)
from services.monitoring.prometheus import Evaluator, PrometheusApi, Queries
from services.monitoring.promql import Engine
from services.monitoring.servicer import (
    MeshServicer,
    MetricsServicer,
    TelemetryServicer,
    add_metrics_servicer,
)
from services.monitoring.store.postgres import PostgresTransitions
from services.monitoring.store.recorded import PostgresRecorded
from services.monitoring.windows import Bounds, FolderKeeper, Keeper, Recorded, Windows
from services.monitoring.workers import HistoryWriter, MeshWatch, RecordedKeeper, SilenceWatch, WindowsKeeper


def main(environ: Mapping[str, str]) -> int:
    """Run the service until it is told to stop; returns its exit code."""
    return serve("monitoring", MonitoringSettings, build, environ)


async def build(kit: Kit[MonitoringSettings]) -> None:
    """Put the parts together."""
    windows = Windows(Bounds(series=kit.settings.series_limit, history_bytes=kit.settings.history_bytes))
    _keep(kit, windows)
    intake = _take_in_metrics(kit, windows)
    database = kit.postgres(required=False)
    recorded = Recorded(windows, RecordedMetrics(kit.instruments))
    kit.work("recorded", RecordedKeeper(recorded, PostgresRecorded(database), kit.clock).run)
    _answer_queries(kit, windows, recorded, intake)
    _follow_the_mesh(kit, database)
    # Of these, every RPC is planned.
    kit.add(add_AlertsServiceServicer_to_server, AlertsServiceServicer())
    kit.add(add_ObjectivesServiceServicer_to_server, ObjectivesServiceServicer())


def _keep(kit: Kit[MonitoringSettings], windows: Windows) -> None:
    signals = WindowsSignals(kit.instruments)
    keeper = Keeper(windows)
    if kit.settings.state_path:
        keeper = FolderKeeper(windows, Path(kit.settings.state_path), kit.clock.monotonic())
        signals.restored(keeper.restored)
    kit.work("windows", WindowsKeeper(windows, keeper, signals, kit.clock).run)


def _take_in_metrics(kit: Kit[MonitoringSettings], windows: Windows) -> Intake:
    settings = kit.settings
    limits = Limits(
        series=settings.sender_series_limit, samples_per_second=settings.sender_samples_per_second
    )
    intake = Intake(windows, kit.clock, IngestSignals(kit.instruments), limits=limits)
    intake.adopt(windows.cohorts())
    kit.add(add_metrics_servicer, MetricsServicer(intake))
    kit.work("silence", SilenceWatch(intake, kit.clock).run)
    return intake


def _answer_queries(
    kit: Kit[MonitoringSettings], windows: Windows, recorded: Recorded, intake: Intake
) -> None:
    settings = kit.settings
    signals = QueryMetrics(kit.instruments)
    evaluator = Evaluator(kit.clock, signals, timeout_seconds=settings.query_timeout_seconds)
    kit.lifetime.callback(evaluator.close)
    telemetry = TelemetryServicer(Aggregates(windows), evaluator, kit.clock)
    kit.add(add_TelemetryServiceServicer_to_server, telemetry)
    queries = Queries(recorded, windows, Engine(), evaluator, kit.clock)
    api = PrometheusApi(queries, intake, kit.instruments.registry)
    kit.asgi(Front(api, settings.http_host, settings.http_port, has_metrics=True))


def _follow_the_mesh(kit: Kit[MonitoringSettings], database: Database) -> None:
    signals = MeshSignals(kit.instruments)
    history = History(PostgresTransitions(database), signals)
    sources = {target.name: source_for(target, kit.clock) for target in kit.settings.watch_targets}
    view = MeshView(sources, kit.clock, history, signals)
    kit.add(add_MeshServiceServicer_to_server, MeshServicer(view))
    kit.work("mesh_history", HistoryWriter(history, kit.clock).run)
    kit.work("mesh_watch", MeshWatch(sources, view, kit.clock).run)
