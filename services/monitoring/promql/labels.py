"""The labels of a series: a frozen mapping that can be a key.

An empty value is an absent label, as Prometheus has it, so none is ever held. Labels
are built once by whoever owns the series and then shared: what is derived from them
(the hash, the labels without the metric name) is worked out once and kept with them.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import NoReturn, Self

from typing_extensions import override

METRIC_NAME = "__name__"
"""The label that holds the metric's name."""
METADATA = (METRIC_NAME, "__type__", "__unit__")
"""What a series is called and what it counts: lost when a function makes something else of it."""
BUCKET = "le"
"""The label that holds the upper bound of a classic histogram's bucket."""


class Labels(dict[str, str]):
    """Names to values, in the order of the names. Never changes; equal labels hash alike.

    A `dict` in order to be looked up at the speed of one: a query touches the labels of
    every series it selects. The methods that would change it raise `TypeError`.
    """

    __slots__ = ("_bucketless", "_hash", "_nameless")

    _bucketless: Labels
    _hash: int
    _nameless: Labels

    def __init__(self, pairs: Mapping[str, str] | Iterable[tuple[str, str]] = ()) -> None:
        items = pairs.items() if isinstance(pairs, Mapping) else pairs
        kept = [pair for pair in items if pair[1]]
        kept.sort()
        super().__init__(kept)

    @override
    def __hash__(self) -> int:  # type: ignore[override]  # a frozen dict has one
        try:
            return self._hash
        except AttributeError:
            self._hash = hash(tuple(self.items()))
            return self._hash

    @property
    def nameless(self) -> Labels:
        """These labels without the metric's name, type and unit."""
        try:
            return self._nameless
        except AttributeError:
            self._nameless = self if self.keys().isdisjoint(METADATA) else self.without(METADATA)
            return self._nameless

    @property
    def bucketless(self) -> Labels:
        """These labels without the bound of a histogram's bucket."""
        try:
            return self._bucketless
        except AttributeError:
            self._bucketless = self.without((BUCKET,)) if BUCKET in self else self
            return self._bucketless

    def only(self, names: Iterable[str]) -> Labels:
        """Return these labels, of those named."""
        return Labels([(name, self[name]) for name in set(names) if name in self])

    def without(self, names: Iterable[str]) -> Labels:
        """Return these labels but those named."""
        dropped = frozenset(names)
        return Labels([pair for pair in self.items() if pair[0] not in dropped])

    def with_values(self, values: Mapping[str, str]) -> Labels:
        """Return these labels with some set; an empty value removes the label."""
        return Labels({**self, **values})

    @override
    def __str__(self) -> str:
        """As Prometheus writes a label set in its errors."""
        return "{" + ", ".join(f"{name}={quoted(value)}" for name, value in self.items()) + "}"

    @override
    def __repr__(self) -> str:
        return f"Labels({dict(self)})"

    @override
    def __reduce__(self) -> tuple[type[Self], tuple[dict[str, str]]]:
        return type(self), (dict(self),)

    def _refuse(self, *_: object, **__: object) -> NoReturn:
        raise TypeError("labels never change: build others")

    __setitem__ = __delitem__ = __ior__ = _refuse
    clear = pop = popitem = setdefault = update = _refuse


def quoted(text: str) -> str:
    """Return text in double quotes, as PromQL writes a string."""
    escaped = text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
    return f'"{escaped}"'
