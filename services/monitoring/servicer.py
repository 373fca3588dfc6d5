"""The RPCs that monitoring answers: decode, one use case, encode."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from typing import Any

import grpc
from opentelemetry.proto.collector.metrics.v1 import metrics_service_pb2 as otlp_pb
from tillmesh.monitoring.v1 import mesh_pb2 as pb
from tillmesh.monitoring.v1 import telemetry_pb2 as telemetry_pb
from tillmesh.monitoring.v1.mesh_pb2_grpc import MeshServiceServicer
from tillmesh.monitoring.v1.telemetry_pb2_grpc import TelemetryServiceServicer
from typing_extensions import override

from servicekit.clock import Clock
from servicekit.errors import DeadlineExceeded
from services.monitoring.aggregates import Aggregates, Asked, QueriesBusy
from services.monitoring.ingest import Intake
from services.monitoring.mesh import MeshView
from services.monitoring.prometheus import Evaluator, TooBusy
from services.monitoring.promql import Cancelled
from services.monitoring.wire import mesh as mesh_wire
from services.monitoring.wire import otlp as otlp_wire
from services.monitoring.wire import telemetry as telemetry_wire


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


@contextmanager
def _in_time() -> Iterator[None]:
    try:
        yield
    except TooBusy:
        raise QueriesBusy("Too many questions wait already.", retry_after_seconds=1) from None
    except Cancelled:
        raise DeadlineExceeded("The samples could not be read in time.") from None


class TelemetryServicer(TelemetryServiceServicer):
    """`tillmesh.monitoring.v1.TelemetryService`, as far as it is not planned, over the windows."""

    def __init__(self, aggregates: Aggregates, evaluator: Evaluator, clock: Clock) -> None:
        self._aggregates = aggregates
        self._evaluator = evaluator
        self._clock = clock

    @override
    async def AggregateMetrics(
        self,
        request: telemetry_pb.AggregateMetricsRequest,
        context: grpc.aio.ServicerContext[Any, Any],
    ) -> telemetry_pb.AggregateMetricsResponse:
        """See the proto."""
        asked = Asked(request.metric, request.window, tuple(request.by))
        now_ms = int(self._clock.now().timestamp() * 1000)
        with _in_time():
            found = await self._evaluator.run(partial(self._aggregates.of, asked, now_ms))
        return telemetry_wire.aggregates(found)


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
