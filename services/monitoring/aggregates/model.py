"""What is asked, what is answered, and what is refused."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import ClassVar

from servicekit.errors import FieldViolation, InvalidArgument, Kind, Refusal
from services.monitoring.promql import Labels

WINDOWS_SECONDS = {"1h": 3_600, "24h": 86_400, "7d": 604_800}
MOST_GROUPS = 1_000
_MOST_LABELS = 10
_METRIC = re.compile(r"[a-zA-Z_:][a-zA-Z0-9_:]{0,1023}")
_LABEL = re.compile(r"[a-zA-Z_][a-zA-Z0-9_]{0,1023}")


class MetricUnknown(Refusal):
    """No series of that name has a sample in the window."""

    kind: ClassVar[Kind] = Kind.NOT_FOUND
    reason: ClassVar[str] = "METRIC_UNKNOWN"


class TooManyGroups(Refusal):
    """The labels tell more groups apart than anybody would read."""

    kind: ClassVar[Kind] = Kind.RESOURCE_EXHAUSTED
    reason: ClassVar[str] = "TOO_MANY_GROUPS"


class QueriesBusy(Refusal):
    """So many questions wait that another would wait in vain."""

    kind: ClassVar[Kind] = Kind.RESOURCE_EXHAUSTED
    reason: ClassVar[str] = "QUERIES_BUSY"


@dataclass(frozen=True)
class Asked:
    """A metric, a window, and the labels to group by. Refuses, all faults at once, what makes no sense."""

    metric: str
    window: str
    by: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        violations = list(self._violations())
        if violations:
            raise InvalidArgument("Cannot aggregate that.", violations=violations)

    @property
    def window_ms(self) -> int:
        """The length of the window."""
        return 1000 * WINDOWS_SECONDS[self.window]

    def _violations(self) -> Iterator[FieldViolation]:
        if not _METRIC.fullmatch(self.metric):
            yield FieldViolation("metric", "must be the name of a metric")
        if self.window not in WINDOWS_SECONDS:
            yield FieldViolation("window", f"must be one of {', '.join(WINDOWS_SECONDS)}")
        if len(self.by) > _MOST_LABELS:
            yield FieldViolation("by", f"may name {_MOST_LABELS} labels")
        for index, name in enumerate(self.by[:_MOST_LABELS]):
            if not _LABEL.fullmatch(name):
                yield FieldViolation(f"by[{index}]", "must be the name of a label")


@dataclass(frozen=True)
class Aggregate:
    """What one group amounts to. See `telemetry.proto` for what each number means."""

    labels: Labels
    count: float
    sum: float
    rate: float
    min: float
    max: float
    mean: float
    p50: float
    p95: float
    p99: float
