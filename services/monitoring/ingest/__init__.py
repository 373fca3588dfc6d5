"""What others push, on its way into the windows: within limits, under Prometheus's names.

Owns who sends and what may come in; promises bounded memory, a reason for every point
it refuses, and a stale mark for every series that ends without saying so; refuses no
whole push because of one bad point. Knows no protocol: `wire` reads those.
"""

from services.monitoring.ingest.desk import Batch, Family, HistogramSeries
from services.monitoring.ingest.intake import Intake
from services.monitoring.ingest.limits import Limits, bad_bounds
from services.monitoring.ingest.model import Kind, Metric, Protocol, Reason, Receipt, Refused, Sender
from services.monitoring.ingest.naming import BUCKET_LABEL, bound, label_name, metric_name, normalised_bound
from services.monitoring.ingest.ports import Signals

__all__ = [
    "BUCKET_LABEL",
    "Batch",
    "Family",
    "HistogramSeries",
    "Intake",
    "Kind",
    "Limits",
    "Metric",
    "Protocol",
    "Reason",
    "Receipt",
    "Refused",
    "Sender",
    "Signals",
    "bad_bounds",
    "bound",
    "label_name",
    "metric_name",
    "normalised_bound",
]
