"""`tillmesh logs`: what processes wrote."""

from __future__ import annotations

import argparse
import time
from collections.abc import Iterable
from contextlib import ExitStack
from itertools import chain
from pathlib import Path

from launcher.errors import EXIT_OK, BadUsage, NothingRuns
from launcher.logs import Line, LogFile, merged
from launcher.settings import Settings

_POLL_SECONDS = 0.25


def run(settings: Settings, options: argparse.Namespace) -> int:
    """Print the last lines, and with --follow all that come."""
    if options.lines < 0:
        raise BadUsage("--lines must not be below 0.")
    with ExitStack() as open_logs:
        logs = {path: open_logs.enter_context(LogFile(path)) for path in _paths(settings, options.service)}
        last = chain.from_iterable(log.tail(options.lines) for log in logs.values())
        _print(merged(last, options.lines), options)
        while options.follow:
            time.sleep(_POLL_SECONDS)
            for path in set(_paths(settings, options.service)) - set(logs):
                logs[path] = open_logs.enter_context(LogFile(path))
            added = list(chain.from_iterable(log.added() for log in logs.values()))
            _print(merged(added, len(added)), options)
    return EXIT_OK


def _paths(settings: Settings, service: str | None) -> list[Path]:
    paths = sorted(settings.files.logs.glob("*.log"))
    if not paths:
        raise NothingRuns(f"There are no logs in {settings.files.logs}: run `tillmesh up` first.")
    if service is None:
        return paths
    wanted = [path for path in paths if path.stem == service]
    if not wanted:
        names = ", ".join(path.stem for path in paths)
        raise BadUsage(f"There is no log of {service!r}; there are: {names}.")
    return wanted


def _print(lines: Iterable[Line], options: argparse.Namespace) -> None:
    for line in lines:
        print(line.raw if options.json else line.as_text(), flush=options.follow)
