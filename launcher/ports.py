"""Which process listens where, and whether those ports are free.

The table of the architecture, or eleven ports in a row from a base. Everything is
on loopback.
"""

from __future__ import annotations

import socket
from collections.abc import Mapping
from typing import TypeAlias

from launcher.errors import BadUsage, CommandFailed

HOST = "127.0.0.1"

PortTable: TypeAlias = Mapping[str, Mapping[str, int]]
"""For each process, what each of its ports is for and its number."""

TABLE: PortTable = {
    "gateway": {"http": 8080, "metrics": 9080},
    "auth": {"grpc": 50051, "http": 9081},
    "orders": {"grpc": 50052, "http": 9082},
    "payments": {"grpc": 50053, "http": 9083},
    "monitoring": {"grpc": 50054, "http": 9090},
    "sandbox": {"http": 8090},
}

_COUNT = sum(len(ports) for ports in TABLE.values())
_HIGHEST = 65535


def port_table(base: int | None) -> PortTable:
    """The table, or with a base the same in a row from it."""
    if base is None:
        return TABLE
    numbers = iter(range(base, base + _COUNT))
    return {name: {purpose: next(numbers) for purpose in ports} for name, ports in TABLE.items()}


def parse_base(text: str | None, source: str) -> int | None:
    """The base that `text` names; none for no text. `source` is what an error calls it."""
    if not text:
        return None
    highest = _HIGHEST - _COUNT + 1
    if not (text.isascii() and text.isdigit() and 1 <= int(text) <= highest):
        raise BadUsage(f"{source} must be a whole number from 1 to {highest}, and is {text!r}.")
    return int(text)


def refuse_taken(table: PortTable) -> None:
    """Fail, naming each port that somebody else holds and the process that wanted it."""
    taken = [
        f"{number} ({name}, {purpose})"
        for name, ports in table.items()
        for purpose, number in ports.items()
        if not _is_free(number)
    ]
    if taken:
        noun, verb = ("Port", "is") if len(taken) == 1 else ("Ports", "are")
        raise CommandFailed(
            f"{noun} {', '.join(taken)} {verb} taken: stop what listens there, or choose with --port-base."
        )


def _is_free(number: int) -> bool:
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((HOST, number))
        except OSError:
            return False
        return True
