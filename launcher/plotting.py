"""Numbers over time, drawn with characters."""

from __future__ import annotations

import math
from collections.abc import Sequence
from datetime import datetime

_BARS = "▁▂▃▄▅▆▇█"
_HEIGHT = 12
_EIGHTHS = len(_BARS)

Points = Sequence[tuple[float, float]]
"""Times in seconds since 1970, and values."""


def sparkline(points: Points, start: float, end: float, width: int) -> str:
    """One line: a character for each part of the time, blank where there is no value."""
    columns = _columns(points, start, end, width)
    low, high = _span(columns)
    scale = (_EIGHTHS - 1) / (high - low) if high > low else 0.0
    return "".join(" " if value is None else _BARS[round((value - low) * scale)] for value in columns)


def plot(points: Points, start: float, end: float, width: int) -> str:
    """A filled curve with its scale on the left and the time below."""
    columns = _columns(points, start, end, width)
    low, high = _span(columns)
    low = min(low, 0.0) if low < high / 2 else low
    heights = [None if value is None else _eighths(value, low, high) for value in columns]
    labels = {0: number(high), _HEIGHT // 2: number((low + high) / 2), _HEIGHT - 1: number(low)}
    margin = max(map(len, labels.values()))
    rows = [f"{labels.get(row, ''):>{margin}} ┤{_row(heights, row)}".rstrip() for row in range(_HEIGHT)]
    first, last = (datetime.fromtimestamp(at).astimezone().strftime("%H:%M:%S") for at in (start, end))
    axis = f"{'':>{margin}} └{'─' * width}"
    return "\n".join([*rows, axis, f"{'':>{margin}}  {first}{last:>{width - len(first)}}"])


def number(value: float) -> str:
    """A value for people: four digits that count."""
    if not math.isfinite(value):
        return str(value)
    return f"{value:,.0f}" if abs(value) >= 1e4 or value == round(value) else f"{value:.4g}"  # noqa: PLR2004 - four digits


def _columns(points: Points, start: float, end: float, width: int) -> list[float | None]:
    """The newest value in each part of the time."""
    columns: list[float | None] = [None] * width
    for at, value in points:
        if math.isfinite(value):
            columns[min(int((at - start) / (end - start) * width), width - 1)] = value
    return columns


def _span(columns: Sequence[float | None]) -> tuple[float, float]:
    values = [value for value in columns if value is not None]
    return (min(values), max(values)) if values else (0.0, 0.0)


def _eighths(value: float, low: float, high: float) -> int:
    """How high a column is, in eighths of a character: at least one, so that it shows."""
    share = (value - low) / (high - low) if high > low else 0.5
    return max(round(share * _HEIGHT * _EIGHTHS), 1)


def _row(heights: Sequence[int | None], row: int) -> str:
    below = (_HEIGHT - 1 - row) * _EIGHTHS
    return "".join(" " if height is None else _cell(height - below) for height in heights)


def _cell(eighths: int) -> str:
    if eighths <= 0:
        return " "
    return _BARS[min(eighths, _EIGHTHS) - 1]
