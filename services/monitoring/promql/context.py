"""What all parts of one evaluation share."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from services.monitoring.promql.limits import Budget, Dialect
from services.monitoring.promql.notes import Notes
from services.monitoring.promql.source import Series, SeriesSource
from services.monitoring.promql.syntax import Anchor, Selector, Shift
from services.monitoring.promql.values import Frame, Integers, unnamed


@dataclass(frozen=True, slots=True)
class Context:
    """One evaluation of one query."""

    source: SeriesSource
    dialect: Dialect
    budget: Budget
    start_ms: int
    end_ms: int
    step_ms: int
    notes: Notes = field(default_factory=Notes)

    def shifted(self, shift: Shift, times: Integers) -> Integers:
        """Return when to look, for evaluations at those times."""
        match shift.at:
            case None:
                moments = times
            case Anchor.START:
                moments = np.full_like(times, self.start_ms)
            case Anchor.END:
                moments = np.full_like(times, self.end_ms)
            case at:
                moments = np.full_like(times, at)
        return moments - shift.offset_ms

    def reach(self, moments: Integers, before_ms: int) -> tuple[int, int]:
        """Return the first and the last millisecond that windows of that length, ending then, look at."""
        return int(moments.min()) - before_ms + self.dialect.left_open, int(moments.max())

    def select(self, selector: Selector, start_ms: int, end_ms: int) -> Sequence[Series]:
        """Return the series of a selector; some may have no samples then."""
        self.budget.check()
        selection = self.source.select(selector.matchers, start_ms, end_ms)
        self.budget.find(len(selection))
        return selection

    def unnamed(self, frame: Frame) -> Frame:
        """Return a frame whose series lose their metric name, when this dialect has it."""
        return unnamed(frame, late=self.dialect.delayed_name_removal)
