"""The parts of monitoring, and how they fit."""

from __future__ import annotations

from collections.abc import Mapping

from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2_grpc import (
    add_MetricsServiceServicer_to_server,
)
from tillmesh.monitoring.v1.alerts_pb2_grpc import (
    AlertsServiceServicer,
    ObjectivesServiceServicer,
    add_AlertsServiceServicer_to_server,
    add_ObjectivesServiceServicer_to_server,
)
from tillmesh.monitoring.v1.mesh_pb2_grpc import add_MeshServiceServicer_to_server
from tillmesh.monitoring.v1.telemetry_pb2_grpc import (
    TelemetryServiceServicer,
    add_TelemetryServiceServicer_to_server,
)

from servicekit import otlp
from servicekit.kit import Kit
from servicekit.serve import serve
from services.monitoring.clients import source_for
from services.monitoring.config import MonitoringSettings
from services.monitoring.ingest import LastValues
from services.monitoring.mesh import History, MeshView
from services.monitoring.metrics import IngestSignals, MeshSignals
from services.monitoring.servicer import MeshServicer, MetricsServicer
from services.monitoring.store.postgres import PostgresTransitions
from services.monitoring.workers import HistoryWriter, MeshWatch, SilenceWatch

PUSHES_MISSED = 4
"""In a row, until a sender counts as silent."""


def main(environ: Mapping[str, str]) -> int:
    """Run the service until it is told to stop; returns its exit code."""
    return serve("monitoring", MonitoringSettings, build, environ)


async def build(kit: Kit[MonitoringSettings]) -> None:
    """Put the parts together."""
    _take_in_metrics(kit)
    _follow_the_mesh(kit)
    # Of these, every RPC is planned.
    kit.add(add_AlertsServiceServicer_to_server, AlertsServiceServicer())
    kit.add(add_ObjectivesServiceServicer_to_server, ObjectivesServiceServicer())
    kit.add(add_TelemetryServiceServicer_to_server, TelemetryServiceServicer())


def _take_in_metrics(kit: Kit[MonitoringSettings]) -> None:
    silent_after_seconds = PUSHES_MISSED * otlp.PERIOD_SECONDS
    signals = IngestSignals(kit.instruments)
    values = LastValues(kit.clock, signals, silent_after_seconds=silent_after_seconds)
    kit.add(add_MetricsServiceServicer_to_server, MetricsServicer(values))
    kit.work("silence", SilenceWatch(values, kit.clock).run)


def _follow_the_mesh(kit: Kit[MonitoringSettings]) -> None:
    signals = MeshSignals(kit.instruments)
    history = History(PostgresTransitions(kit.postgres(required=False)), signals)
    sources = {target.name: source_for(target, kit.clock) for target in kit.settings.watch_targets}
    view = MeshView(sources, kit.clock, history, signals)
    kit.add(add_MeshServiceServicer_to_server, MeshServicer(view))
    kit.work("mesh_history", HistoryWriter(history, kit.clock).run)
    kit.work("mesh_watch", MeshWatch(sources, view, kit.clock).run)
