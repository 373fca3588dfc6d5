"""Who sends, what a metric is, and the reasons for which a point is refused."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import NamedTuple


class Protocol(StrEnum):
    """How a sender speaks to us."""

    OTLP = "otlp"
    REMOTE_WRITE = "remote_write"


class Kind(StrEnum):
    """How a value behaves over time, in Prometheus's words."""

    GAUGE = "gauge"
    COUNTER = "counter"
    HISTOGRAM = "histogram"
    SUMMARY = "summary"
    UNKNOWN = "unknown"


class Reason(StrEnum):
    """Why a data point is refused. Closed: these are the values of a metric's label."""

    UNIDENTIFIED_SENDER = "unidentified_sender"
    """The resource names no service, so nobody could be declared silent."""
    TOO_MANY_SENDERS = "too_many_senders"
    TOO_MANY_SERIES = "too_many_series"
    """Of this sender."""
    TOO_MANY_LABELS = "too_many_labels"
    TOO_MANY_BUCKETS = "too_many_buckets"
    TOO_LONG = "too_long"
    """The metric's name, or a label's name or value."""
    TOO_FAST = "too_fast"
    """More samples a second than a sender may send. The only reason that passes: send it again later."""
    STORE_FULL = "store_full"
    """No room for another series, whoever sends it."""
    UNNAMED = "unnamed"
    """The metric, or one of its labels, has no name."""
    BAD_LABELS = "bad_labels"
    """A label occurs twice, or is a list, a map or bytes, or is not UTF-8."""
    BAD_VALUE = "bad_value"
    """A count below zero or not a number, or a histogram that contradicts itself."""
    NO_VALUE = "no_value"
    NO_TIME = "no_time"
    IN_FUTURE = "in_future"
    OUT_OF_ORDER = "out_of_order"
    """Older than what the series already has."""
    DUPLICATE = "duplicate"
    """Another value for a time that has one."""
    UNSUPPORTED_TYPE = "unsupported_type"
    """Summaries, exponential and native histograms, and what was invented later."""
    UNSUPPORTED_TEMPORALITY = "unsupported_temporality"
    """Anything but cumulative."""


class Sender(NamedTuple):
    """One process that pushes.

    Attributes:
        job: The service (OTLP `service.name`); for remote write, `remote_write`.
        instance: Which of its processes (OTLP `service.instance.id`); for remote write, its address.
        protocol: How it speaks.
    """

    job: str
    instance: str
    protocol: Protocol = Protocol.OTLP


@dataclass(frozen=True, slots=True)
class Metric:
    """What is known of a metric beside its series.

    Attributes:
        kind: How its values behave.
        help: What it means, as the sender says.
        unit: As the sender says.
    """

    kind: Kind
    help: str = ""
    unit: str = ""


@dataclass(frozen=True, slots=True)
class Refused:
    """Data points of one metric that were refused for one reason."""

    reason: Reason
    metric: str
    points: int = 1


@dataclass(frozen=True, slots=True)
class Receipt:
    """What became of a push: every point is in exactly one of the two."""

    accepted: int
    refused: tuple[Refused, ...] = ()
