"""The RPCs that monitoring answers: decode, one use case, encode."""

from __future__ import annotations

import asyncio
from typing import Any

import grpc
from opentelemetry.proto.collector.metrics.v1 import metrics_service_pb2 as otlp_pb
from tillmesh.monitoring.v1 import mesh_pb2 as pb
from tillmesh.monitoring.v1.mesh_pb2_grpc import MeshServiceServicer
from typing_extensions import override

from services.monitoring.ingest import Intake
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


class MetricsServicer:
    """OTLP `MetricsService` over an `Intake`; its requests are `wire.otlp.lean`'s."""

    def __init__(self, intake: Intake) -> None:
        self._intake = intake

    async def Export(self, request: Any, context: grpc.aio.ServicerContext[Any, Any]) -> Any:  # noqa: ANN401, ARG002, N802 - the protocol's
        """See the protocol: what is refused is said in `partial_success`, and must not be sent again."""
        receipts = []
        for receipt in otlp_wire.take(request, self._intake):
            receipts.append(receipt)
            await asyncio.sleep(0)  # a large push must not keep the loop from everybody else
        return otlp_wire.answer(receipts)


def add_metrics_servicer(servicer: MetricsServicer, server: Any) -> None:  # noqa: ANN401 - gRPC's servers share no type
    """What the generated function does, but for the reading of requests (decision 6)."""
    export = grpc.unary_unary_rpc_method_handler(
        servicer.Export,
        request_deserializer=otlp_wire.lean.Request.FromString,
        response_serializer=otlp_pb.ExportMetricsServiceResponse.SerializeToString,
    )
    name = otlp_pb.DESCRIPTOR.services_by_name["MetricsService"].full_name
    server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler(name, {"Export": export}),))
