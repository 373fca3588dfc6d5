"""The gateway's HTTP API, as a client of it sees it.

Speaks to loopback without any proxy that the environment names. An answer that is
no success is `Refused`, with the words of its problem document (RFC 9457); no
answer at all is `Unreachable`.
"""

from __future__ import annotations

import http.client
import json
from collections.abc import Mapping
from typing import Any

from launcher.credentials import Person
from launcher.errors import CommandFailed

_TIMEOUT_SECONDS = 15.0
_FIRST_ERROR = 400


class Refused(CommandFailed):
    """The gateway answered that it will not. `reason` is stable; the message is for people."""

    def __init__(self, doing: str, status: int, problem: Mapping[str, Any]) -> None:
        self.status = status
        self.reason = str(problem.get("reason", ""))
        words = problem.get("detail") or problem.get("title") or "no problem document"
        request_id = problem.get("requestId", "unknown")
        named = f"{status} {self.reason}".rstrip()
        super().__init__(f"{doing}: {named}: {words} (request id {request_id}).")


class Unreachable(CommandFailed):
    """Nobody answered, or not in time."""


class Api:
    """One connection to a gateway, and whose token it sends."""

    def __init__(self, address: str) -> None:
        self._address = address
        self._connection = http.client.HTTPConnection(address, timeout=_TIMEOUT_SECONDS)
        self._headers = {"Content-Type": "application/json"}

    def sign_in(self, person: Person) -> None:
        """Send this person's token from now on."""
        answer = self.post("/v1/auth/login", {"email": person.email, "password": person.password})
        self._headers["Authorization"] = f"Bearer {answer['tokens']['accessToken']}"

    def get(self, path: str) -> dict[str, Any]:
        """What stands at a path."""
        return self._call("GET", path, None, {})

    def post(self, path: str, body: Mapping[str, Any], key: str = "") -> dict[str, Any]:
        """The answer to a body. `key` is the Idempotency-Key: the same key does the work once."""
        return self._call("POST", path, json.dumps(body), {"Idempotency-Key": key} if key else {})

    def close(self) -> None:
        """Hang up."""
        self._connection.close()

    def _call(self, method: str, path: str, body: str | None, headers: Mapping[str, str]) -> dict[str, Any]:
        doing = f"{method} {path}"
        try:
            self._connection.request(method, path, body, self._headers | dict(headers))
            response = self._connection.getresponse()
            content = response.read()
        except (http.client.HTTPException, OSError) as error:
            self._connection.close()
            raise Unreachable(f"{doing}: no answer from {self._address} ({error!r}).") from error
        answer = _document(content)
        if response.status >= _FIRST_ERROR:
            raise Refused(doing, response.status, answer)
        return answer


def _document(content: bytes) -> dict[str, Any]:
    """The JSON object that was answered; empty for anything else."""
    try:
        document = json.loads(content)
    except ValueError:
        return {}
    return document if isinstance(document, dict) else {}
