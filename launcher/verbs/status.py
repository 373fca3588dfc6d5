"""`tillmesh status`: every process, as it is now."""

from __future__ import annotations

import argparse
import json
import time

from rich.console import Console

from launcher.errors import EXIT_FAILED, EXIT_NOTHING_RUNS, EXIT_OK
from launcher.observation import MeshStatus, Observer
from launcher.records import read_records
from launcher.settings import Settings
from launcher.table import table

_POLL_SECONDS = 0.1
_WIDE = 160


def run(settings: Settings, options: argparse.Namespace) -> int:
    """Print the status once it is ready or the wait is over."""
    observer = Observer()
    deadline = time.monotonic() + options.wait
    try:
        while not _look(observer, settings).is_ready and time.monotonic() < deadline:
            time.sleep(_POLL_SECONDS)
        status = _look(observer, settings, with_memory=True)
    finally:
        observer.close()
    if options.json:
        print(json.dumps(status.as_json()))
    else:
        _print(status, settings)
    return _exit_code(status)


def _look(observer: Observer, settings: Settings, *, with_memory: bool = False) -> MeshStatus:
    return observer.observe(read_records(settings.files.processes), with_memory=with_memory)


def _print(status: MeshStatus, settings: Settings) -> None:
    if not status.runs:
        print(f"Nothing runs on {settings.files.home}.")
        return
    console = Console()
    if not console.is_terminal:
        console = Console(width=_WIDE)
    console.print(table(status))
    print("Ready." if status.is_ready else f"Not ready: {', '.join(status.unready())}.")


def _exit_code(status: MeshStatus) -> int:
    if status.is_ready:
        return EXIT_OK
    return EXIT_FAILED if status.runs else EXIT_NOTHING_RUNS
