"""Starts services by forking an interpreter that has imported them all: in a tenth of a second, not in one.

`python -m tests.faults.nursery` reads orders from its input, a line of JSON each
(see `Nursery`), and says who was born and who ended. When its input ends, as it
does however the test's process dies, so do all its children.
"""

from __future__ import annotations

import contextlib
import gc
import importlib
import json
import os
import random
import select
import signal
import sys
import traceback
from typing import Any

MODULES = (
    "services.auth.main",
    "services.orders.main",
    "services.payments.main",
    "services.monitoring.main",
    "gateway.main",
    "sandbox.main",
    "servicekit.migrations.main",
    "tests.faults.sabotage",
)


def main() -> None:
    """Answer orders until there will be no more."""
    for name in MODULES:
        importlib.import_module(name)
    gc.freeze()
    woken, wake = os.pipe()
    os.set_blocking(wake, False)
    signal.signal(signal.SIGCHLD, lambda *_: None)
    signal.set_wakeup_fd(wake)
    children: set[int] = set()
    _say(ready=True)
    unread = b""
    while True:
        readable, _, _ = select.select([0, woken], [], [])
        if woken in readable:
            os.read(woken, 4096)
            _bury(children)
        if 0 in readable:
            read = os.read(0, 1 << 20)
            if not read:
                break
            *orders, unread = (unread + read).split(b"\n")
            for order in orders:
                children.add(_born(json.loads(order)))
    for child in children:
        os.kill(child, signal.SIGKILL)


def _born(order: dict[str, Any]) -> int:
    child = os.fork()
    if child == 0:
        _live(order)
    _say(born=child)
    return child


def _live(order: dict[str, Any]) -> None:
    """Be the process that was ordered. Never returns."""
    code = 70
    with contextlib.suppress(SystemExit):
        try:
            _become(order)
            program = importlib.import_module(f"{order['module']}.main").main
            for name in order["sabotage"]:
                getattr(importlib.import_module("tests.faults.sabotage"), name)(order["environ"])
            code = program(*order["before"], order["environ"], *order["after"])
        except Exception:  # noqa: BLE001 - the last resort of a process, as the interpreter's own
            traceback.print_exc()
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code)


def _become(order: dict[str, Any]) -> None:
    """Leave the parent's signals, terminal, random numbers and environment behind."""
    os.setsid()
    signal.set_wakeup_fd(-1)
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    log = os.open(order["log"], os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    nothing = os.open(os.devnull, os.O_RDONLY)
    for source, target in ((nothing, 0), (log, 1), (log, 2)):
        os.dup2(source, target)
    os.environ.clear()
    os.environ.update(order["environ"])
    random.seed()


def _bury(children: set[int]) -> None:
    for child in list(children):
        ended, status = os.waitpid(child, os.WNOHANG)
        if ended:
            children.discard(child)
            _say(ended=child, code=os.waitstatus_to_exitcode(status))


def _say(**what: object) -> None:
    os.write(1, json.dumps(what).encode() + b"\n")


if __name__ == "__main__":
    main()
