"""The past of every series: what was sampled, by label, for as long as the bounds say.

Owns the samples and the index of their labels. Promises that nothing which it took is
lost to `kill -9` but the last second, that its memory is bounded, and that whoever
reads sees whole pushes. Implements promql's `SeriesSource` and `LabelSource`.
"""

from services.monitoring.windows.keeping import FolderKeeper, FolderTaken, Keeper
from services.monitoring.windows.lane import Cohort
from services.monitoring.windows.model import STALE, Bounds, Occupancy, StoreFull, Times, Values, Verdict
from services.monitoring.windows.ports import Signals
from services.monitoring.windows.recorded import (
    KEPT_SECONDS,
    Recorded,
    RecordedSample,
    RecordedSignals,
    RecordedStore,
)
from services.monitoring.windows.restoring import Restored
from services.monitoring.windows.store import Windows

__all__ = [
    "KEPT_SECONDS",
    "STALE",
    "Bounds",
    "Cohort",
    "FolderKeeper",
    "FolderTaken",
    "Keeper",
    "Occupancy",
    "Recorded",
    "RecordedSample",
    "RecordedSignals",
    "RecordedStore",
    "Restored",
    "Signals",
    "StoreFull",
    "Times",
    "Values",
    "Verdict",
    "Windows",
]
