"""What the engine asks of whoever keeps the samples.

A source is read from one thread at a time per query, and by many queries at once. The
arrays it hands out are never written to, by either side, while a query may hold them.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from services.monitoring.promql.labels import Labels
from services.monitoring.promql.matchers import Matcher

STALE_NAN_BITS = 0x7FF0000000000002
"""The bits of the NaN that marks a series as ended. Compare bits: a NaN equals nothing."""


@dataclass(frozen=True, slots=True)
class Series:
    """One series, or the part of it that was asked for.

    `timestamps` (milliseconds since 1970, strictly ascending) and `values` have the same
    length. Series whose samples were taken together should hold the *same* timestamps
    array, not an equal one: the engine then computes on all of them at once.
    """

    labels: Labels
    timestamps: NDArray[np.int64]
    values: NDArray[np.float64]


class SeriesSource(Protocol):
    """Where an evaluation finds its samples."""

    def select(self, matchers: Sequence[Matcher], start_ms: int, end_ms: int) -> Sequence[Series]:
        """Return the series that satisfy every matcher, with their samples from start to end, both included.

        No two have equal labels. A series without samples in that span may be left out.
        Samples before and after it may be included. A matcher that accepts `""` accepts series
        without the label.
        """
        ...


class LabelSource(Protocol):
    """What the HTTP API asks besides: which series there are, and under which labels.

    `matchers` is a list of selectors, of which a series must satisfy one whole; none means all series.
    """

    def series(self, matchers: Sequence[Sequence[Matcher]], start_ms: int, end_ms: int) -> Sequence[Labels]:
        """Return the labels of the series that have a sample from start to end."""
        ...

    def label_names(self, matchers: Sequence[Sequence[Matcher]], start_ms: int, end_ms: int) -> Sequence[str]:
        """Return the names of their labels, sorted."""
        ...

    def label_values(
        self, name: str, matchers: Sequence[Sequence[Matcher]], start_ms: int, end_ms: int
    ) -> Sequence[str]:
        """Return the values of one label among them, sorted."""
        ...
