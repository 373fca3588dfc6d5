"""Aggregates to protobuf."""

from __future__ import annotations

from collections.abc import Iterable

from tillmesh.monitoring.v1 import telemetry_pb2 as pb

from services.monitoring.aggregates import Aggregate


def aggregates(found: Iterable[Aggregate]) -> pb.AggregateMetricsResponse:
    """One message for each group."""
    return pb.AggregateMetricsResponse(aggregates=map(_aggregate, found))


def _aggregate(one: Aggregate) -> pb.Aggregate:
    return pb.Aggregate(
        labels=dict(one.labels),
        count=one.count,
        sum=one.sum,
        rate=one.rate,
        min=one.min,
        max=one.max,
        mean=one.mean,
        p50=one.p50,
        p95=one.p95,
        p99=one.p99,
    )
