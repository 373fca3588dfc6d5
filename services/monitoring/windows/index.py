"""Which series have which labels: for each name and value the numbers of the series that have it.

A selector costs what it finds, and for a regular expression the distinct values of its
label, each tried once; never a walk over all series.
"""

from __future__ import annotations

from array import array
from collections.abc import Iterable, Iterator, Sequence
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from services.monitoring.promql import Labels, Matcher
from services.monitoring.windows.model import Numbers

_Postings: TypeAlias = "dict[str, array[int]]"


class LabelIndex:
    """Postings by label. Numbers are given once, ascending, and never used again."""

    def __init__(self) -> None:
        self._by_name: dict[str, _Postings] = {}
        self._count = 0
        self._all: array[int] = array("l")

    def add(self, number: int, labels: Labels) -> None:
        """Enter a series under each of its labels."""
        for name, value in labels.items():
            self._by_name.setdefault(name, {}).setdefault(value, array("l")).append(number)
        self._all.append(number)
        self._count = number + 1

    def select(self, matchers: Sequence[Matcher]) -> Numbers:
        """Return the numbers of the series that satisfy every matcher, ascending.

        Raises:
            BadPattern: RE2 refuses a regular expression.
        """
        tests = [(matcher, matcher.test()) for matcher in matchers]
        needed = [(matcher, test) for matcher, test in tests if not test("")]
        found = self._everything() if not needed else None
        for matcher, test in needed:
            having = _joined(self._values_that(matcher, accept=True, test=test))
            found = having if found is None else self._both(found, having)
        if found is None:  # pragma: no cover - either branch above made it
            raise AssertionError
        for matcher, test in tests:
            if test("") and found.size:
                found = self._without(found, self._values_that(matcher, accept=False, test=test))
        return np.sort(found)

    def _values_that(self, matcher: Matcher, *, accept: bool, test: object) -> Iterator[array[int]]:
        """The postings of the values that the matcher accepts, or of those that it does not."""
        postings = self._by_name.get(matcher.name, {})
        if (matcher.op == "=") == accept and matcher.op in ("=", "!="):
            if matcher.value in postings:
                yield postings[matcher.value]
            return
        for value, numbers in postings.items():
            if test(value) == accept:  # type: ignore[operator]
                yield numbers

    def _everything(self) -> Numbers:
        return np.array(self._all, np.int64)

    def _both(self, some: Numbers, others: Numbers) -> Numbers:
        few, many = (some, others) if some.size <= others.size else (others, some)
        return few[self._mask([many])[few]]

    def _without(self, found: Numbers, dropped: Iterable[array[int]]) -> Numbers:
        return found[~self._mask(np.array(numbers, np.int64) for numbers in dropped)[found]]

    def _mask(self, sets: Iterable[Numbers]) -> NDArray[np.bool_]:
        mask = np.zeros(self._count, bool)
        for numbers in sets:
            mask[numbers] = True
        return mask


def _joined(sets: Iterable[array[int]]) -> Numbers:
    arrays = [np.array(numbers, np.int64) for numbers in sets]
    return np.concatenate(arrays) if arrays else np.zeros(0, np.int64)
