"""How a sandbox process starts and stops."""

from __future__ import annotations

import argparse
import asyncio
import os
import signal
import socket
import sqlite3
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from urllib.parse import urlsplit

from starlette.applications import Starlette

from sandbox.app import Settings, build
from sandbox.server import listen, running
from sandbox.stripe.store import IN_MEMORY
from sandbox.stripe.webhooks import Destination

_HELP = """environment:
  HOST                   where to listen (127.0.0.1)
  PORT                   the port (8090); 0 for any
  STATE_PATH             a file that keeps the state over a restart; in memory by default
  STRIPE_WEBHOOK_URL     where signed events are posted; nowhere by default
  STRIPE_WEBHOOK_EVENTS  the types that are posted, by commas (refund.created,...); all by default
  STRIPE_WEBHOOK_SECRET  the secret of their signatures (whsec_...); needed with the URL

controls:
  GET    /sandbox/health
  GET    /sandbox/stripe/ledger?order_id=&payment_intent=&movement=
  POST   /sandbox/stripe/faults   {"kind": "drop_after_commit", "count": 1}
  GET    /sandbox/stripe/faults
  DELETE /sandbox/stripe/faults
"""

_BAD_SETTING = 2
_DEFAULT_PORT = "8090"
_LARGEST_PORT = 65535


class BadSettings(Exception):
    """Settings that cannot be used; `faults` names all of them."""

    def __init__(self, faults: Sequence[str]) -> None:
        super().__init__("; ".join(faults))
        self.faults = list(faults)


@dataclass(frozen=True)
class Options:
    """What the process was started with."""

    host: str
    port: int
    settings: Settings


def parse(environ: Mapping[str, str]) -> Options:
    """Read the environment.

    Raises:
        BadSettings: Something is wrong; all of it is named at once.
    """
    faults = []
    port = environ.get("PORT") or _DEFAULT_PORT
    if not (port.isascii() and port.isdigit() and int(port) <= _LARGEST_PORT):
        faults.append(f"PORT: must be a number from 0 to {_LARGEST_PORT}")
    url, secret = environ.get("STRIPE_WEBHOOK_URL", ""), environ.get("STRIPE_WEBHOOK_SECRET", "")
    if url and urlsplit(url).scheme not in {"http", "https"}:
        faults.append("STRIPE_WEBHOOK_URL: must be an http or https URL")
    if url and not secret:
        faults.append("STRIPE_WEBHOOK_SECRET: must be set when STRIPE_WEBHOOK_URL is")
    if faults:
        raise BadSettings(faults)
    events = frozenset(filter(None, environ.get("STRIPE_WEBHOOK_EVENTS", "").split(",")))
    destination = Destination(url, secret, events) if url else None
    settings = Settings(environ.get("STATE_PATH") or IN_MEMORY, destination)
    return Options(environ.get("HOST") or "127.0.0.1", int(port), settings)


def main(environ: Mapping[str, str], arguments: Sequence[str]) -> int:
    """Run until SIGTERM or SIGINT; the exit code."""
    parser = argparse.ArgumentParser(
        prog="python -m sandbox",
        description="Stand-ins for the outside world, as one HTTP server: Stripe.",
        epilog=_HELP,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.parse_args(arguments)
    try:
        options = parse(environ)
        app = _app(options.settings)
    except BadSettings as error:
        sys.stderr.writelines(f"sandbox: {fault}\n" for fault in error.faults)
        return _BAD_SETTING
    try:
        listening = listen(options.host, options.port)
    except OSError as error:
        reason = os.strerror(error.errno or 0)
        sys.stderr.write(f"sandbox: cannot listen on {options.host}:{options.port}: {reason}\n")
        return 1
    asyncio.run(_serve(app, listening))
    return 0


def _app(settings: Settings) -> Starlette:
    try:
        return build(settings)
    except sqlite3.Error as error:
        raise BadSettings([f"STATE_PATH: {error}: {settings.state_path}"]) from None


async def _serve(app: Starlette, listening: socket.socket) -> None:
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    host, port = listening.getsockname()[:2]
    sys.stderr.write(f"sandbox: listening on http://{host}:{port}\n")
    async with running(app, listening):
        await stop.wait()
