"""The last value of every series that was pushed to us, within limits, and who fell silent.

Owns what has come in; promises bounded memory and a reason for every point it
refuses; refuses no whole push because of one bad point. Knows no protocol: senders'
formats become `Push` before they come here.
"""

from services.monitoring.ingest.limits import Limits
from services.monitoring.ingest.model import (
    Histogram,
    Kind,
    Labels,
    Push,
    Reading,
    Reason,
    Receipt,
    Refused,
    Sample,
    Sender,
)
from services.monitoring.ingest.ports import Signals
from services.monitoring.ingest.series import LastValues

__all__ = [
    "Histogram",
    "Kind",
    "Labels",
    "LastValues",
    "Limits",
    "Push",
    "Reading",
    "Reason",
    "Receipt",
    "Refused",
    "Sample",
    "Sender",
    "Signals",
]
