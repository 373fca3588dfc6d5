"""PromQL over anyone's samples: classic float PromQL as Prometheus 3.x has it, on numpy.

Owns the language: parsing, evaluation, limits, and the exact errors. Promises an error,
never an empty answer, for what it does not support. Knows no transport, no storage, no
alerts: implement `SeriesSource` and ask an `Engine`.
"""

from services.monitoring.promql.engine import Engine, Query
from services.monitoring.promql.errors import (
    BadRange,
    Cancelled,
    EvaluationError,
    LimitExceeded,
    ParseError,
    QueryError,
    Unsupported,
)
from services.monitoring.promql.labels import BUCKET, METRIC_NAME, Labels
from services.monitoring.promql.limits import PROMETHEUS_2, PROMETHEUS_3, Cancellation, Dialect, Limits
from services.monitoring.promql.matchers import BadPattern, Matcher, MatchOperator
from services.monitoring.promql.memory import MemorySource
from services.monitoring.promql.notes import Note
from services.monitoring.promql.results import (
    MatrixResult,
    Result,
    ScalarResult,
    StringResult,
    VectorResult,
)
from services.monitoring.promql.source import STALE_NAN_BITS, LabelSource, Series, SeriesSource

__all__ = [
    "BUCKET",
    "METRIC_NAME",
    "PROMETHEUS_2",
    "PROMETHEUS_3",
    "STALE_NAN_BITS",
    "BadPattern",
    "BadRange",
    "Cancellation",
    "Cancelled",
    "Dialect",
    "Engine",
    "EvaluationError",
    "LabelSource",
    "Labels",
    "LimitExceeded",
    "Limits",
    "MatchOperator",
    "Matcher",
    "MatrixResult",
    "MemorySource",
    "Note",
    "ParseError",
    "Query",
    "QueryError",
    "Result",
    "ScalarResult",
    "Series",
    "SeriesSource",
    "StringResult",
    "Unsupported",
    "VectorResult",
]
