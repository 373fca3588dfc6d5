"""How much one sender may take, and which samples are malformed: pure decisions."""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator
from dataclasses import dataclass

from services.monitoring.ingest.model import Histogram, Kind, Labels, Reason, Sample

_NANOSECONDS = 1_000_000_000


@dataclass(frozen=True)
class Limits:
    """Bounds on what is kept. Those on labels are Grafana Mimir's defaults.

    Attributes:
        senders: Processes at a time.
        series: Series of one sender.
        weight: Characters of names and labels, and bytes of buckets, of all series of one sender.
        labels: Labels of one series.
        name_length: Characters of a metric's or a label's name.
        value_length: Characters of a label's value.
        buckets: Buckets of one histogram.
        future_seconds: How far a sender's clock may run ahead of ours.
    """

    senders: int = 32
    series: int = 5_000
    weight: int = 4_000_000
    labels: int = 30
    name_length: int = 1_024
    value_length: int = 2_048
    buckets: int = 160
    future_seconds: float = 600


def fault(sample: Sample, limits: Limits, now_ns: int) -> Reason | None:
    """Why this sample cannot be kept, whatever came before it; `None` when it can."""
    return next(_faults(sample, limits, now_ns), None)


def _faults(sample: Sample, limits: Limits, now_ns: int) -> Iterator[Reason]:
    yield from _naming_faults(sample, limits)
    yield from _value_faults(sample, limits)
    if sample.time_ns <= 0:
        yield Reason.NO_TIME
    if sample.time_ns > now_ns + limits.future_seconds * _NANOSECONDS:
        yield Reason.IN_FUTURE


def _naming_faults(sample: Sample, limits: Limits) -> Iterator[Reason]:
    if not sample.name or any(not name for name, _ in sample.labels):
        yield Reason.UNNAMED
    if len(sample.labels) > limits.labels:
        yield Reason.TOO_MANY_LABELS
    if len(sample.name) > limits.name_length or _is_too_long(sample.labels, limits):
        yield Reason.TOO_LONG


def _value_faults(sample: Sample, limits: Limits) -> Iterator[Reason]:
    if isinstance(sample.value, Histogram):
        if len(sample.value.counts) > limits.buckets:
            yield Reason.TOO_MANY_BUCKETS
        if not _is_consistent(sample.value):
            yield Reason.BAD_VALUE
    elif sample.kind is Kind.COUNTER and not sample.value >= 0:  # NaN is not
        yield Reason.BAD_VALUE


def _is_too_long(labels: Labels, limits: Limits) -> bool:
    return any(len(name) > limits.name_length or len(value) > limits.value_length for name, value in labels)


def _is_consistent(histogram: Histogram) -> bool:
    """Whether the parts agree; a histogram without buckets is one that only counts."""
    if not histogram.counts:
        return not histogram.bounds
    return (
        len(histogram.counts) == len(histogram.bounds) + 1
        and sum(histogram.counts) == histogram.count
        and all(math.isfinite(bound) for bound in histogram.bounds)
        and all(low < high for low, high in itertools.pairwise(histogram.bounds))
    )
