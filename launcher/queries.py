"""PromQL asked of the monitoring service that runs now."""

from __future__ import annotations

import http.client
import json
import re
import time
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

from launcher.errors import BadUsage, CommandFailed, NothingRuns
from launcher.ports import HOST
from launcher.records import read_records

STEPS = 120
"""Of a range: as many as a line of a terminal shows well."""

_TIMEOUT_SECONDS = 60.0
_UNITS_SECONDS = {"s": 1, "m": 60, "h": 3_600, "d": 86_400}
_SPAN = re.compile(r"(\d{1,6})([smhd])")


class BadQuery(CommandFailed):
    """Monitoring cannot answer that; the message is Prometheus's."""


class Monitoring:
    """The Prometheus API of a mesh.

    Raises:
        NothingRuns: There is no monitoring service.
    """

    def __init__(self, processes: Path) -> None:
        ports = [
            each.ports["http"]
            for each in read_records(processes)
            if each.name == "monitoring" and each.is_alive
        ]
        if not ports:
            raise NothingRuns("No monitoring runs: `tillmesh up` starts one.")
        self._connection = http.client.HTTPConnection(HOST, ports[0], timeout=_TIMEOUT_SECONDS)

    def now(self, query: str) -> dict[str, Any]:
        """The answer at this moment."""
        return self._ask("/api/v1/query", {"query": query})

    def over(self, query: str, span_seconds: int) -> dict[str, Any]:
        """The answers over the time until this moment."""
        now = time.time()
        step = max(span_seconds / STEPS, 1)
        return self._ask(
            "/api/v1/query_range",
            {
                "query": query,
                "start": f"{now - span_seconds:.3f}",
                "end": f"{now:.3f}",
                "step": f"{step:.3f}",
            },
        )

    def close(self) -> None:
        """Hang up."""
        self._connection.close()

    def _ask(self, path: str, asked: dict[str, str]) -> dict[str, Any]:
        headers = {"Content-Type": "application/x-www-form-urlencoded"}
        try:
            self._connection.request("POST", path, urlencode(asked), headers)
            document = json.loads(self._connection.getresponse().read())
        except (http.client.HTTPException, OSError, ValueError) as error:
            raise CommandFailed(f"No answer from monitoring ({error!r}).") from error
        if document["status"] != "success":
            raise BadQuery(f"{document['errorType']}: {document['error']}")
        answered: dict[str, Any] = document
        return answered


def span_seconds(text: str) -> int:
    """The seconds of `30s`, `15m`, `1h` or `7d`; BadUsage for anything else."""
    found = _SPAN.fullmatch(text)
    if found is None or not int(found[1]):
        raise BadUsage(f"--range must be a time such as 30s, 15m, 1h or 7d, and is {text!r}.")
    return int(found[1]) * _UNITS_SECONDS[found[2]]
