"""Reports: figures to protobuf, spans from it."""

from __future__ import annotations

from datetime import UTC, datetime

from google.protobuf.timestamp_pb2 import Timestamp
from tillmesh.money.v1 import money_pb2
from tillmesh.orders.v1 import operations_pb2

from services.orders import wire
from services.orders.model import Money
from services.orders.model.figures import AgeCheckFigures, Business, Compliance, MethodFigures

SpanRequest = operations_pb2.GetComplianceReportRequest | operations_pb2.ExportComplianceReportRequest


def start_of(request: SpanRequest) -> datetime | None:
    """Where the span begins, if that was said."""
    return request.start_time.ToDatetime(UTC) if request.HasField("start_time") else None


def end_of(request: SpanRequest) -> datetime | None:
    """Where the span ends, if that was said."""
    return request.end_time.ToDatetime(UTC) if request.HasField("end_time") else None


def business(business: Business) -> operations_pb2.GetBusinessMetricsResponse:
    """How business goes."""
    average = business.average_order_minor
    return operations_pb2.GetBusinessMetricsResponse(
        orders_last_hour=business.orders_last_hour,
        revenue_last_hour=_sum(business, business.revenue_last_hour_minor),
        average_order_value=None if average is None else _sum(business, average),
        orders_last_day=business.orders_last_day,
        revenue_last_day=_sum(business, business.revenue_last_day_minor),
        rejected_last_day=business.rejected_last_day,
        methods=[_method(one) for one in business.methods],
        time=_timestamp(business.at),
    )


def compliance(report: Compliance) -> operations_pb2.GetComplianceReportResponse:
    """The age checks of a span."""
    return operations_pb2.GetComplianceReportResponse(
        checks=report.checks,
        refusals=report.refusals,
        refusal_ppm=report.refusal_ppm,
        methods=[_age_checks(one) for one in report.methods],
        start_time=_timestamp(report.span.start),
        end_time=_timestamp(report.span.end),
    )


def _method(figures: MethodFigures) -> operations_pb2.PaymentMethodFigures:
    return operations_pb2.PaymentMethodFigures(
        method=figures.method,
        attempts=figures.attempts,
        succeeded=figures.succeeded,
        failed=figures.failed,
        value=wire.money(figures.value),
    )


def _age_checks(figures: AgeCheckFigures) -> operations_pb2.AgeCheckFigures:
    return operations_pb2.AgeCheckFigures(
        method=figures.method, checks=figures.checks, refusals=figures.refusals
    )


def _sum(business: Business, minor_units: int) -> money_pb2.Money | None:
    return wire.money(Money(business.currency_code, minor_units)) if business.currency_code else None


def _timestamp(moment: datetime) -> Timestamp:
    timestamp = Timestamp()
    timestamp.FromDatetime(moment)
    return timestamp
