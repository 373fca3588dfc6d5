"""`tillmesh up`: everything, in the foreground or behind it."""

from __future__ import annotations

import argparse
import asyncio
import logging
import subprocess
import sys
import time
from pathlib import Path

from launcher.children import put_aside
from launcher.credentials import Credentials
from launcher.errors import EXIT_OK, CommandFailed
from launcher.leftovers import stop_leftovers
from launcher.mesh import Mesh, NoScreen, Screen
from launcher.ports import HOST, refuse_taken
from launcher.records import SUPERVISOR, read_records
from launcher.settings import Settings
from launcher.welcome import welcome
from servicekit.clock import Clock, SystemClock
from servicekit.logs import JsonLines

_READY_SECONDS = 180.0
_POLL_SECONDS = 0.1


def run(settings: Settings, options: argparse.Namespace) -> int:
    """Run until told to stop; or behind us, until it is ready."""
    settings.files.create()
    if options.detach:
        return _run_behind_us(settings, options.port_base)
    clock = SystemClock()
    with settings.files.held():
        stop_leftovers(settings.files)
        refuse_taken(settings.ports)
        put_aside(settings.files.log(SUPERVISOR))
        _log_to(settings.files.log(SUPERVISOR))
        asyncio.run(Mesh(settings, _screen(settings, clock, is_quiet=options.quiet), clock).run())
    if not options.quiet:
        print("Stopped.")
    return EXIT_OK


def _screen(settings: Settings, clock: Clock, *, is_quiet: bool) -> Screen:
    if is_quiet:
        return NoScreen()
    from launcher.screen import LineScreen, TableScreen  # noqa: PLC0415 - a quiet supervisor stays small

    kind = TableScreen if sys.stdout.isatty() else LineScreen
    return kind(lambda: _announcement(settings), clock)


def _announcement(settings: Settings) -> str:
    address = f"{HOST}:{settings.ports['gateway']['http']}"
    return welcome(address, Credentials.read(settings.files.credentials), settings.files.logs)


def _log_to(path: Path) -> None:
    handler = logging.FileHandler(path)
    handler.setFormatter(JsonLines(SUPERVISOR))
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(logging.INFO)
    logging.getLogger("asyncio").setLevel(logging.WARNING)


def _run_behind_us(settings: Settings, port_base: str | None) -> int:
    log = settings.files.log(SUPERVISOR)
    with log.open("ab") as output:
        said_before = output.tell()
        supervisor = subprocess.Popen(
            [
                sys.executable,
                "-m",
                "launcher",
                "up",
                "--quiet",
                *(["--port-base", port_base] if port_base else []),
            ],
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            env={**settings.environ, "TILLMESH_HOME": str(settings.files.home)},
            start_new_session=True,
        )
    code = _wait_until_ready(settings, supervisor)
    if code is not None:
        print(_last_words(log, said_before), file=sys.stderr)
        return code
    print(_announcement(settings))
    return EXIT_OK


def _wait_until_ready(settings: Settings, supervisor: subprocess.Popen[bytes]) -> int | None:
    """Nothing once the mesh is ready; the exit code of a supervisor that gave up; else CommandFailed."""
    from launcher.observation import Observer  # noqa: PLC0415 - a quiet supervisor stays small

    observer = Observer()
    deadline = time.monotonic() + _READY_SECONDS
    try:
        while supervisor.poll() is None:
            status = observer.observe(read_records(settings.files.processes))
            # Ready may also be said by a supervisor before ours, which ours is about to notice.
            if status.is_ready and status.processes[0].pid == supervisor.pid:
                return None
            if time.monotonic() > deadline:
                missing = ", ".join(status.unready())
                raise CommandFailed(f"Not ready after {_READY_SECONDS:g} s, and still trying: {missing}.")
            time.sleep(_POLL_SECONDS)
    finally:
        observer.close()
    return supervisor.returncode


def _last_words(log: Path, start: int) -> str:
    """What the supervisor said to people, among its events."""
    lines = log.read_bytes()[start:].decode(errors="replace").splitlines()
    return "\n".join(line for line in lines if not line.startswith("{"))
