"""RPCs of reports: decode, one use case, encode. What each promises stands in its proto."""

from __future__ import annotations

from tillmesh.orders.v1 import operations_pb2, operations_pb2_grpc
from typing_extensions import override

from services.orders import wire
from services.orders.servicer import Context
from services.orders.usecases import Reporting
from services.orders.wire import reports


class ReportsServicer(operations_pb2_grpc.ReportsServiceServicer):
    """See operations.proto."""

    def __init__(self, reporting: Reporting) -> None:
        self._reporting = reporting

    @override
    async def GetBusinessMetrics(
        self, request: operations_pb2.GetBusinessMetricsRequest, context: Context
    ) -> operations_pb2.GetBusinessMetricsResponse:
        """See the proto."""
        return reports.business(await self._reporting.business(request.currency_code))

    @override
    async def GetComplianceReport(
        self, request: operations_pb2.GetComplianceReportRequest, context: Context
    ) -> operations_pb2.GetComplianceReportResponse:
        """See the proto."""
        report = await self._reporting.compliance(reports.start_of(request), reports.end_of(request))
        return reports.compliance(report)

    @override
    async def ExportComplianceReport(
        self, request: operations_pb2.ExportComplianceReportRequest, context: Context
    ) -> operations_pb2.ExportComplianceReportResponse:
        """See the proto."""
        file = await self._reporting.compliance_file(reports.start_of(request), reports.end_of(request))
        return operations_pb2.ExportComplianceReportResponse(file=wire.text(file, "text/csv; charset=utf-8"))
