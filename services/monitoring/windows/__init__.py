"""The past of every series: what was sampled, by label, for as long as the bounds say.

Owns the samples and the index of their labels. Promises that nothing which it took is
lost to `kill -9` but the last second, that its memory is bounded, and that whoever
reads sees whole pushes. Implements promql's `SeriesSource` and `LabelSource`.
"""

from services.monitoring.windows.keeping import FolderKeeper, FolderTaken, Keeper
from services.monitoring.windows.lane import Cohort
from services.monitoring.windows.model import STALE, Bounds, StoreFull, Verdict
from services.monitoring.windows.store import Occupancy, Windows

__all__ = [
    "STALE",
    "Bounds",
    "Cohort",
    "FolderKeeper",
    "FolderTaken",
    "Keeper",
    "Occupancy",
    "StoreFull",
    "Verdict",
    "Windows",
]
