"""The RPCs that monitoring answers: decode, one use case, encode."""

from __future__ import annotations

import asyncio
from typing import Any

import grpc
from opentelemetry.proto.collector.metrics.v1 import metrics_service_pb2 as otlp_pb
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2_grpc import MetricsServiceServicer
from tillmesh.monitoring.v1 import mesh_pb2 as pb
from tillmesh.monitoring.v1.mesh_pb2_grpc import MeshServiceServicer
from typing_extensions import override

from services.monitoring.ingest import LastValues
from services.monitoring.mesh import MeshView
from services.monitoring.wire import mesh as mesh_wire
from services.monitoring.wire import otlp as otlp_wire


class MeshServicer(MeshServiceServicer):
    """`tillmesh.monitoring.v1.MeshService` over a `MeshView`."""

    def __init__(self, view: MeshView) -> None:
        self._view = view

    @override
    async def GetMesh(
        self, request: pb.GetMeshRequest, context: grpc.aio.ServicerContext[Any, Any]
    ) -> pb.GetMeshResponse:
        """See the proto."""
        return pb.GetMeshResponse(mesh=mesh_wire.mesh(self._view.now()))


class MetricsServicer(MetricsServiceServicer):
    """OTLP `MetricsService` over `LastValues`."""

    def __init__(self, values: LastValues) -> None:
        self._values = values

    @override
    async def Export(
        self, request: otlp_pb.ExportMetricsServiceRequest, context: grpc.aio.ServicerContext[Any, Any]
    ) -> otlp_pb.ExportMetricsServiceResponse:
        """See the protocol: what is refused is said in `partial_success`, and must not be sent again."""
        receipts = []
        for push in otlp_wire.pushes(request):
            receipts.append(self._values.receive(push))
            await asyncio.sleep(0)  # a large push must not keep the loop from everybody else
        return otlp_wire.answer(receipts)
