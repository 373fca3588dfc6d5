"""PromQL over anyone's samples: classic float PromQL as Prometheus 3.x has it, on numpy.

Owns the language: parsing, evaluation, limits, and the exact errors. Promises an error,
never an empty answer, for what it does not support. Knows no transport, no storage, no
alerts: implement `SeriesSource` and ask an `Engine`.
"""

from services.monitoring.promql.labels import METRIC_NAME, Labels
from services.monitoring.promql.matchers import BadPattern, Matcher, MatchOperator
from services.monitoring.promql.source import STALE_NAN_BITS, LabelSource, Series, SeriesSource

__all__ = [
    "METRIC_NAME",
    "STALE_NAN_BITS",
    "BadPattern",
    "LabelSource",
    "Labels",
    "MatchOperator",
    "Matcher",
    "Series",
    "SeriesSource",
]
