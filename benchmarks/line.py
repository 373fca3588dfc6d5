"""HTTP/1.1 over connections that are kept, for a twentieth of what a full client costs.

A client that shares two cores with the servers must be small, or it is what is
measured. It reads what our gateway and sandbox send: a head and a body of known length.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

NO_ANSWER = (ConnectionError, asyncio.IncompleteReadError, TimeoutError)
"""What `Lines.ask` raises when nobody answered: whether the call was executed is not known."""


@dataclass(frozen=True)
class Answer:
    """What was answered."""

    status: int
    body: bytes

    @property
    def is_success(self) -> bool:
        """True for 2xx."""
        return 200 <= self.status < 300

    def json(self) -> dict[str, Any]:
        """The object in the body; an empty one for an empty body."""
        read: dict[str, Any] = json.loads(self.body) if self.body else {}
        return read


class Lines:
    """Connections to one server: one for each call that runs."""

    def __init__(self, port: int, headers: Mapping[str, str] | None = None, timeout: float = 30) -> None:
        self.headers = dict(headers or {})
        self._port = port
        self._timeout = timeout
        self._free: list[tuple[asyncio.StreamReader, asyncio.StreamWriter]] = []

    async def ask(
        self, method: str, path: str, body: object = None, headers: Mapping[str, str] | None = None
    ) -> Answer:
        """The answer to one call. Raises one of `NO_ANSWER`."""
        async with asyncio.timeout(self._timeout):
            line = self._free.pop() if self._free else await asyncio.open_connection("127.0.0.1", self._port)
            try:
                line[1].write(self._request(method, path, body, headers or {}))
                answer, stays = await _read(line[0])
            except BaseException:
                line[1].close()
                raise
        if stays:
            self._free.append(line)
        else:
            line[1].close()
        return answer

    async def close(self) -> None:
        """Hang up."""
        while self._free:
            writer = self._free.pop()[1]
            writer.close()
            await writer.wait_closed()

    def _request(self, method: str, path: str, body: object, headers: Mapping[str, str]) -> bytes:
        content = b"" if body is None else json.dumps(body).encode()
        own = {"Host": f"127.0.0.1:{self._port}", "Content-Length": str(len(content))}
        if body is not None:
            own["Content-Type"] = "application/json"
        lines = [f"{name}: {value}" for name, value in {**own, **self.headers, **headers}.items()]
        return "\r\n".join([f"{method} {path} HTTP/1.1", *lines, "", ""]).encode() + content


async def _read(reader: asyncio.StreamReader) -> tuple[Answer, bool]:
    head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
    first, *fields = head.rstrip().split("\r\n")
    named = {name.lower(): value.strip() for name, _, value in (field.partition(":") for field in fields)}
    body = await reader.readexactly(int(named.get("content-length", 0)))
    return Answer(int(first.split()[1]), body), named.get("connection", "").lower() != "close"
