"""`tillmesh query`: PromQL, as a table or a plot."""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterable, Mapping
from contextlib import closing
from typing import Any

from rich.console import Console
from rich.table import Table

from launcher.errors import EXIT_OK
from launcher.plotting import Points, number, plot, sparkline
from launcher.queries import Monitoring, span_seconds
from launcher.settings import Settings

_WIDE = 160
_PLOT_WIDTH = 72
_SPARK_WIDTH = 40


def run(settings: Settings, options: argparse.Namespace) -> int:
    """Ask, and print what was answered."""
    span = span_seconds(options.range) if options.range else 0
    with closing(Monitoring(settings.files.processes)) as monitoring:
        answer = monitoring.over(options.promql, span) if span else monitoring.now(options.promql)
    if options.json:
        print(json.dumps(answer))
        return EXIT_OK
    for note in (*answer.get("warnings", ()), *answer.get("infos", ())):
        print(note)
    _print(answer["data"])
    return EXIT_OK


def _print(data: Mapping[str, Any]) -> None:
    kind, result = data["resultType"], data["result"]
    if kind in ("scalar", "string"):
        print(result[1])
    elif not result:
        print("No series.")
    elif kind == "vector":
        _show(Table("series", "value"), ((_name(each), number(float(each["value"][1]))) for each in result))
    elif len(result) == 1:
        points = _points(result[0])
        print(f"{_name(result[0])}\n{plot(points, *_span([points]), _PLOT_WIDTH)}")
    else:
        _show_sparks(result)


def _show_sparks(result: Iterable[Mapping[str, Any]]) -> None:
    series = {_name(each): _points(each) for each in result}
    start, end = _span(series.values())
    table = Table("series", "", "least", "most", "last")
    rows = []
    for name, points in series.items():
        values = [value for _, value in points]
        numbers = map(number, (min(values), max(values), values[-1]))
        rows.append((name, sparkline(points, start, end, _SPARK_WIDTH), *numbers))
    _show(table, rows)


def _show(table: Table, rows: Iterable[tuple[str, ...]]) -> None:
    for row in rows:
        table.add_row(*row)
    for column in table.columns[1:]:
        column.justify = "right"
        column.no_wrap = True
    console = Console()
    (console if console.is_terminal else Console(width=_WIDE)).print(table, markup=False)


def _name(series: Mapping[str, Any]) -> str:
    labels = dict(series["metric"])
    name = labels.pop("__name__", "")
    pairs = ", ".join(f"{key}={json.dumps(value, ensure_ascii=False)}" for key, value in labels.items())
    return f"{name}{{{pairs}}}" if pairs or not name else name


def _points(series: Mapping[str, Any]) -> Points:
    return [(at, float(value)) for at, value in series["values"]]


def _span(series: Iterable[Points]) -> tuple[float, float]:
    times = [at for points in series for at, _ in points]
    return min(times), max(*times, min(times) + 1)
