"""What a sender may tell us: samples, and the reasons for which one is refused."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import NamedTuple

Labels = tuple[tuple[str, str], ...]
"""Names and values, sorted by name, no name twice, no empty value."""


class Kind(StrEnum):
    """How a value behaves over time."""

    GAUGE = "gauge"
    COUNTER = "counter"
    HISTOGRAM = "histogram"


class Reason(StrEnum):
    """Why a data point is refused. Closed: these are the values of a metric's label."""

    UNIDENTIFIED_SENDER = "unidentified_sender"
    """The resource names no service, so nobody could be declared silent."""
    TOO_MANY_SENDERS = "too_many_senders"
    TOO_MANY_SERIES = "too_many_series"
    TOO_MANY_LABELS = "too_many_labels"
    TOO_MANY_BUCKETS = "too_many_buckets"
    TOO_LONG = "too_long"
    """The metric's name, or a label's name or value."""
    UNNAMED = "unnamed"
    """The metric, or one of its labels, has no name."""
    BAD_LABELS = "bad_labels"
    """A label occurs twice, or is a list, a map or bytes."""
    BAD_VALUE = "bad_value"
    """A count below zero or not a number, or a histogram that contradicts itself."""
    NO_VALUE = "no_value"
    NO_TIME = "no_time"
    IN_FUTURE = "in_future"
    OUT_OF_ORDER = "out_of_order"
    """Older than what the series already has."""
    UNSUPPORTED_TYPE = "unsupported_type"
    """Summaries, exponential histograms, and what was invented later."""
    UNSUPPORTED_TEMPORALITY = "unsupported_temporality"
    """Anything but cumulative."""


class Sender(NamedTuple):
    """One process that pushes, in Prometheus's words.

    Attributes:
        job: The service (OTLP `service.name`).
        instance: Which of its processes (OTLP `service.instance.id`); may be empty.
    """

    job: str
    instance: str


@dataclass(frozen=True, slots=True)
class Histogram:
    """Observations since the sender started, by bucket.

    Attributes:
        bounds: Inclusive upper bounds, ascending; the last bucket, unbounded, has none.
        counts: Observations in each bucket alone, one more than there are bounds.
        count: All observations.
        sum: Their sum; `None` where the sender cannot say.
    """

    bounds: tuple[float, ...]
    counts: tuple[int, ...]
    count: int
    sum: float | None


@dataclass(frozen=True, slots=True)
class Sample:
    """One value of one series at one time.

    Attributes:
        name: The metric's name as the sender gave it.
        labels: What tells the series from others of that name.
        kind: How to read the value.
        value: A number for gauges and counters.
        time_ns: Nanoseconds since 1970 by the sender's clock.
    """

    name: str
    labels: Labels
    kind: Kind
    value: float | Histogram
    time_ns: int


@dataclass(frozen=True, slots=True)
class Refused:
    """Data points of one metric that were refused for one reason."""

    reason: Reason
    metric: str
    points: int = 1


@dataclass(frozen=True, slots=True)
class Push:
    """What one sender pushed, or a part of it.

    Attributes:
        sender: Who; `None` where it did not say.
        samples: What could be read.
        refused: What could not.
    """

    sender: Sender | None
    samples: Sequence[Sample]
    refused: Sequence[Refused] = ()


@dataclass(frozen=True, slots=True)
class Receipt:
    """What became of a push: every point is in exactly one of the two."""

    accepted: int
    refused: tuple[Refused, ...]


@dataclass(frozen=True, slots=True)
class Reading:
    """The last value of one series of one sender.

    Attributes:
        sender: Who pushed it.
        sample: What it pushed last.
        silent: True once the sender has not been heard for too long: the value is history.
    """

    sender: Sender
    sample: Sample
    silent: bool
