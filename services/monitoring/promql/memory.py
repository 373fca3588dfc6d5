"""A source that holds its series in a list: for tests, for small data, and as an example of a source."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np
from typing_extensions import override

from services.monitoring.promql.labels import METRIC_NAME, Labels
from services.monitoring.promql.matchers import Matcher
from services.monitoring.promql.source import LabelSource, Series, SeriesSource


class MemorySource(SeriesSource, LabelSource):
    """Series in memory, found by the name of their metric; a selection without one looks at all of them."""

    def __init__(self, series: Iterable[Series] = ()) -> None:
        self._series = list(series)
        self._by_name: dict[str, list[Series]] = {}
        for one in self._series:
            self._by_name.setdefault(one.labels.get(METRIC_NAME, ""), []).append(one)

    @override
    def select(self, matchers: Sequence[Matcher], start_ms: int, end_ms: int) -> Sequence[Series]:
        found = self._series
        for matcher in matchers:
            if matcher.name == METRIC_NAME and matcher.op == "=" and found is self._series:
                found = self._by_name.get(matcher.value, [])
                continue
            accepts = accepted(matcher, {series.labels.get(matcher.name, "") for series in found})
            found = [series for series in found if series.labels.get(matcher.name, "") in accepts]
        return found

    @override
    def series(self, matchers: Sequence[Sequence[Matcher]], start_ms: int, end_ms: int) -> Sequence[Labels]:
        found = {
            id(series): series
            for each in (matchers or [()])
            for series in self.select(each, start_ms, end_ms)
        }
        return [series.labels for series in found.values() if _has_samples(series, start_ms, end_ms)]

    @override
    def label_names(self, matchers: Sequence[Sequence[Matcher]], start_ms: int, end_ms: int) -> Sequence[str]:
        return sorted({name for labels in self.series(matchers, start_ms, end_ms) for name in labels})

    @override
    def label_values(
        self, name: str, matchers: Sequence[Sequence[Matcher]], start_ms: int, end_ms: int
    ) -> Sequence[str]:
        return sorted({labels[name] for labels in self.series(matchers, start_ms, end_ms) if name in labels})


def accepted(matcher: Matcher, values: Iterable[str]) -> set[str]:
    """Return those values that satisfy a matcher."""
    test = matcher.test()
    return {value for value in values if test(value)}


def _has_samples(series: Series, start_ms: int, end_ms: int) -> bool:
    first, last = np.searchsorted(series.timestamps, [start_ms, end_ms + 1])
    return bool(last > first)
