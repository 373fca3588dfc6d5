"""Labels and points, as Prometheus's test files write them."""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from services.monitoring.promql import METRIC_NAME, Labels

STALE = "stale"
NATIVE = "{{"

_NAME = r"[a-zA-Z_:][a-zA-Z0-9_:.]*"
_QUOTED = r'"(?:[^"\\]|\\.)*"' + r"|'(?:[^'\\]|\\.)*'|`[^`]*`"
_LABEL = re.compile(rf"\s*(?:({_NAME})|({_QUOTED}))\s*(?:=\s*({_QUOTED}))?\s*(,|}})")
_HEAD = re.compile(rf"\s*({_NAME})?\s*(\{{(?!\{{))?")
_DURATION = re.compile(r"(\d+(?:\.\d+)?)(ms|[smhdwy])")
_UNIT_MS = {
    "ms": 1,
    "s": 1000,
    "m": 60_000,
    "h": 3_600_000,
    "d": 86_400_000,
    "w": 604_800_000,
    "y": 31_536_000_000,
}
_NUMBER = r"(?:inf|nan|(?:\d+\.?\d*|\.\d+)(?:e[+-]?\d+)?)"
_POINT = re.compile(rf"(_|stale|[+-]?{_NUMBER})(?:([+-])({_NUMBER}))?(?:x(\d+))?$", re.IGNORECASE)
_NATIVE_POINT = re.compile(r"\{\{[^}]*\}\}(?:[+-]\{\{[^}]*\}\})?(?:x\d+)?")
_ESCAPES = {"n": "\n", "t": "\t", "\\": "\\", '"': '"', "'": "'"}


class BadScript(Exception):
    """A test file that is not in the format."""


@dataclass(frozen=True)
class Line:
    """A series with its points: numbers, `None` for a gap, `STALE`, or `NATIVE` for a native histogram."""

    labels: Labels
    points: Sequence[float | str | None]

    @property
    def is_native(self) -> bool:
        return NATIVE in self.points


def duration_ms(text: str) -> int:
    """Read `1h30m`, or a number of seconds."""
    sign, text = (-1, text[1:]) if text.startswith("-") else (1, text)
    if re.fullmatch(r"[0-9.]+", text):
        return sign * round(float(text) * 1000)
    parts = _DURATION.findall(text)
    if not parts or "".join(number + unit for number, unit in parts) != text:
        raise BadScript(f"not a duration: {text}")
    return sign * round(sum(float(number) * _UNIT_MS[unit] for number, unit in parts))


def series_line(text: str) -> Line:
    """Read `name{label="value"} 1 2+3x4 _ stale`."""
    labels, rest = series_labels(text)
    return Line(labels, list(_points(rest)))


def series_labels(text: str) -> tuple[Labels, str]:
    """Read a series' name and labels; return what follows them."""
    head = _HEAD.match(text)
    if head is None or not (head[1] or head[2]):
        raise BadScript(f"not a series: {text}")
    pairs = {METRIC_NAME: head[1]} if head[1] else {}
    position = head.end()
    if head[2]:
        while not (closing := re.compile(r"\s*\}").match(text, position)):
            label = _LABEL.match(text, position)
            if label is None:
                raise BadScript(f"not a label: {text[position:]}")
            name = label[1] or unquoted(label[2])
            pairs |= {name: unquoted(label[3])} if label[3] else {METRIC_NAME: name}
            position = label.end() - (label[4] == "}")
        position = closing.end()
    return Labels(pairs), text[position:]


def unquoted(text: str) -> str:
    """Read a quoted string."""
    if text.startswith("`"):
        return text[1:-1]
    return re.sub(r"\\(.)", lambda escape: _ESCAPES.get(escape[1], escape[0]), text[1:-1])


def _points(text: str) -> Iterator[float | str | None]:
    for word in _NATIVE_POINT.sub(NATIVE, text).split():
        yield from _point(word)


def _point(word: str) -> Iterator[float | str | None]:
    if word.startswith(NATIVE):
        yield NATIVE
        return
    found = _POINT.match(word)
    if found is None:
        raise BadScript(f"not a point: {word}")
    start, sign, step, times = found.groups()
    if start in {"_", STALE}:
        count = int(times) if times else 1
        yield from [None if start == "_" else STALE] * count
        return
    change = float((sign or "+") + (step or "0"))
    value = float(start)
    for index in range(int(times) + 1 if times else 1):
        yield value + index * change
