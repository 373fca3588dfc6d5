"""What a metric amounts to over an hour, a day or a week: count, sum, rate, extremes, percentiles.

Owns what these words mean for each kind of metric (see `telemetry.proto`). Folds the
samples piece by piece, so that a week costs time and little memory. Knows no protocol.
"""

from services.monitoring.aggregates.folding import Aggregates
from services.monitoring.aggregates.model import (
    WINDOWS_SECONDS,
    Aggregate,
    Asked,
    MetricUnknown,
    QueriesBusy,
    TooManyGroups,
)

__all__ = [
    "WINDOWS_SECONDS",
    "Aggregate",
    "Aggregates",
    "Asked",
    "MetricUnknown",
    "QueriesBusy",
    "TooManyGroups",
]
