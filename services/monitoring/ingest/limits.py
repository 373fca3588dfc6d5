"""How much one sender may take: pure decisions."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from services.monitoring.ingest.model import Reason
from services.monitoring.promql import METRIC_NAME, Labels


@dataclass(frozen=True)
class Limits:
    """Bounds on what is taken. Those on labels are Grafana Mimir's defaults.

    Attributes:
        senders: Processes at a time.
        series: Live series of one sender.
        samples_per_second: Of one sender, over time; ten seconds' worth may come at once.
        labels: Labels of one series.
        name_length: Characters of a metric's or a label's name.
        value_length: Characters of a label's value.
        weight: Characters of all labels of one series.
        buckets: Buckets of one histogram.
        future_seconds: How far a sender's clock may run ahead of ours.
        metrics: Metrics whose kind and help are remembered.
    """

    senders: int = 32
    series: int = 20_000
    samples_per_second: float = 100_000
    labels: int = 30
    name_length: int = 1_024
    value_length: int = 2_048
    weight: int = 8_192
    buckets: int = 160
    future_seconds: float = 600
    metrics: int = 10_000


def fault(labels: Labels, limits: Limits) -> Reason | None:
    """Why a series of these labels cannot be taken; `None` when it can."""
    return next(_faults(labels, limits), None)


def _faults(labels: Labels, limits: Limits) -> Iterator[Reason]:
    if not labels.get(METRIC_NAME) or "" in labels:
        yield Reason.UNNAMED
    if len(labels) > limits.labels:
        yield Reason.TOO_MANY_LABELS
    if len(labels.get(METRIC_NAME, "")) > limits.name_length or max(map(len, labels)) > limits.name_length:
        yield Reason.TOO_LONG
    lengths = [len(value) for value in labels.values()]
    if max(lengths) > limits.value_length or sum(lengths) + sum(map(len, labels)) > limits.weight:
        yield Reason.TOO_LONG


def bad_bounds(bounds: Sequence[float], buckets: int, limits: Limits) -> Reason | None:
    """Why a histogram of these bounds and as many buckets cannot be taken."""
    if buckets > limits.buckets:
        return Reason.TOO_MANY_BUCKETS
    is_bare = not buckets and not bounds
    ascends = all(low < high for low, high in itertools.pairwise(bounds))
    is_finite = all(float("-inf") < bound < float("inf") for bound in bounds)
    return None if is_bare or (buckets == len(bounds) + 1 and ascends and is_finite) else Reason.BAD_VALUE


class Allowance:
    """How many samples a sender may still send: a bucket that fills with time.

    Args:
        per_second: How fast it fills.
        now: Seconds by a monotonic clock.
    """

    def __init__(self, per_second: float, now: float) -> None:
        self._per_second = per_second
        self._left = self._most = 10 * per_second
        self._at = now

    def take(self, samples: int, now: float) -> bool:
        """Take so many, if there are."""
        self._left = min(self._most, self._left + (now - self._at) * self._per_second)
        self._at = now
        if samples > self._left:
            return False
        self._left -= samples
        return True
