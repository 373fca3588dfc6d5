"""Sales made offline, between protobuf and model: total functions, no decisions."""

from __future__ import annotations

from datetime import UTC, datetime

from google.protobuf.timestamp_pb2 import Timestamp
from tillmesh.orders.v1 import offline_pb2

from services.orders.model.offline import (
    Conflict,
    Intake,
    OfflineAgeCheck,
    OfflineSale,
    RefusedSale,
    TillReport,
)
from services.orders.wire import basket_of, money, money_of, timestamp


def sale_of(sale: offline_pb2.OfflineSale, till: str) -> OfflineSale:
    """A sale of this till, as sent."""
    whole = offline_pb2.OfflineSale()
    whole.CopyFrom(sale)
    whole.order.till_id = sale.order.till_id or till
    return sale_from(whole.SerializeToString(deterministic=True))


def sale_from(content: bytes) -> OfflineSale:
    """A sale as it was kept."""
    sale = offline_pb2.OfflineSale.FromString(content)
    sale_time = _moment(sale.sale_time) if sale.HasField("sale_time") else None
    check = OfflineAgeCheck(sale.age_check.method, sale.age_check.minimum_age_met)
    return OfflineSale(
        sequence=sale.sequence,
        sale_time=sale_time,
        till_id=sale.order.till_id,
        charged=money_of(sale.charged),
        basket=basket_of(sale.order),
        age_check=check if sale.HasField("age_check") else None,
        content=content,
    )


def sync_answer(intake: Intake) -> offline_pb2.SyncOfflineOrdersResponse:
    """What became of a batch."""
    refused = [_refused(sale) for sale in intake.refused]
    return offline_pb2.SyncOfflineOrdersResponse(
        accepted=intake.accepted, repeated_sales=intake.repeated, refused=refused
    )


def stream_answer(intake: Intake) -> offline_pb2.StreamOfflineOrdersResponse:
    """What became of one batch of a stream."""
    refused = [_refused(sale) for sale in intake.refused]
    return offline_pb2.StreamOfflineOrdersResponse(
        accepted=intake.accepted, repeated_sales=intake.repeated, refused=refused
    )


def till_report(report: TillReport) -> offline_pb2.GetOfflineReportResponse:
    """A till's report."""
    return offline_pb2.GetOfflineReportResponse(
        conflicts=[_conflict(conflict) for conflict in report.conflicts],
        waiting=report.waiting,
        completed=report.completed,
        conflicted=report.conflicted,
        gaps=[offline_pb2.SequenceGap(first=gap.first, last=gap.last) for gap in report.gaps],
        next_page_token=report.next_token,
    )


def _refused(sale: RefusedSale) -> offline_pb2.RefusedSale:
    violations = [offline_pb2.SaleViolation(field=f.field, description=f.description) for f in sale.faults]
    return offline_pb2.RefusedSale(
        index=sale.index, sequence=sale.sequence, reason=sale.reason, violations=violations
    )


def _conflict(conflict: Conflict) -> offline_pb2.OfflineConflict:
    return offline_pb2.OfflineConflict(
        sequence=conflict.sequence,
        reason=conflict.ending.reason,
        description=conflict.ending.description,
        sale_time=timestamp(conflict.sale_time),
        charged=money(conflict.charged),
        order_id=conflict.ending.order_id or "",
    )


def _moment(timestamp: Timestamp) -> datetime | None:
    """The time; none for one that no calendar has."""
    try:
        return timestamp.ToDatetime(UTC)
    except (ValueError, OverflowError):
        return None
