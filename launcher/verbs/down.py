"""`tillmesh down`: stop what `up` started."""

from __future__ import annotations

import argparse
import signal

from launcher.errors import EXIT_OK, CommandFailed
from launcher.identity import Identity, outlasting
from launcher.leftovers import stop_leftovers
from launcher.records import SUPERVISOR, read_records
from launcher.settings import Settings

_DRAIN_SECONDS = 120.0
"""More than the stages of a drain may take together."""


def run(settings: Settings, _options: argparse.Namespace) -> int:
    """Ask the supervisor to drain, and wait until it is gone; stop what a dead one left."""
    supervisor = _supervisor(settings)
    if supervisor is not None:
        supervisor.signal(signal.SIGTERM)
        if outlasting([supervisor], _DRAIN_SECONDS):
            raise CommandFailed(
                f"The supervisor (pid {supervisor.pid}) still runs after {_DRAIN_SECONDS:g} s."
            )
        print("Stopped.")
        return EXIT_OK
    left = stop_leftovers(settings.files)
    if left:
        print(f"The supervisor was gone already; stopped what it left: {', '.join(left)}.")
    else:
        print(f"Nothing runs on {settings.files.home}.")
    return EXIT_OK


def _supervisor(settings: Settings) -> Identity | None:
    for record in read_records(settings.files.processes):
        if record.name == SUPERVISOR and record.is_alive:
            return record.identity
    return None
