"""What arrives: the head of a request and its body, within limits of size and time."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Any

from gateway.problems import BodyTooLarge, HeadersTooLarge, TooSlow, UnsupportedContent, UrlTooLong

Receive = Callable[[], Awaitable[Mapping[str, Any]]]
Send = Callable[[Mapping[str, Any]], Awaitable[None]]

JSON_TYPE = "application/json"
CLOSE = ((b"connection", b"close"),)
"""Told to a client with which this connection can come to no good."""


class ClientGone(Exception):
    """The client closed the connection; nobody waits for an answer."""


@dataclass(frozen=True, slots=True)
class Limits:
    """How much a client may send, and how long it may take."""

    body_bytes: int = 1024 * 1024
    url_bytes: int = 8 * 1024
    header_bytes: int = 16 * 1024
    head_seconds: float = 10.0
    body_seconds: float = 10.0


class Head:
    """A request without its body. Names of headers are in lower case; repeated ones are joined by commas."""

    __slots__ = ("_headers", "header_bytes", "method", "path", "peer", "query")

    def __init__(self, scope: Mapping[str, Any]) -> None:
        self.method: str = scope["method"]
        self.path: str = scope["raw_path"].decode("latin-1")
        self.query: str = scope["query_string"].decode("latin-1")
        self.peer: str = scope["client"][0] if scope.get("client") else ""
        self.header_bytes = 0
        self._headers: dict[bytes, bytes] = {}
        for name, value in scope["headers"]:
            self.header_bytes += len(name) + len(value)
            known = self._headers.get(name)
            self._headers[name] = value if known is None else known + b", " + value

    def header(self, name: bytes) -> str:
        """The value of a header, empty if it was not sent."""
        return self._headers.get(name, b"").decode("latin-1").strip()

    @property
    def announces_body(self) -> bool:
        """True if a body follows."""
        return self.header(b"content-length") not in {"", "0"} or b"transfer-encoding" in self._headers

    def check(self, limits: Limits) -> None:
        """Refuse a head that is too large."""
        if len(self.path) + len(self.query) > limits.url_bytes:
            raise UrlTooLong(f"The path and query may have {limits.url_bytes} bytes.")
        if self.header_bytes > limits.header_bytes:
            raise HeadersTooLarge(f"The headers may have {limits.header_bytes} bytes.")

    def check_content(self, *, takes_any: bool) -> None:
        """Refuse a body in a form that a call does not read."""
        encoding = self.header(b"content-encoding").lower()
        if encoding not in {"", "identity"}:
            raise UnsupportedContent(
                "The body must not be compressed.", headers=((b"accept-encoding", b"identity"),)
            )
        media_type, _, parameters = self.header(b"content-type").lower().partition(";")
        charset = parameters.replace(" ", "").replace('"', "")
        if not takes_any and (media_type.strip() != JSON_TYPE or charset not in {"", "charset=utf-8"}):
            raise UnsupportedContent(
                f"The body must be {JSON_TYPE}, in UTF-8.", headers=((b"accept", JSON_TYPE.encode()),)
            )


async def read_body(head: Head, receive: Receive, limits: Limits) -> bytes:
    """The whole body. Raises TooSlow, BodyTooLarge and ClientGone."""
    too_large = BodyTooLarge(f"The body may have {limits.body_bytes} bytes.")
    announced = head.header(b"content-length")
    if announced.isdecimal() and int(announced) > limits.body_bytes:
        raise too_large
    body = bytearray()
    try:
        async with asyncio.timeout(limits.body_seconds):
            while True:
                message = await receive()
                if message["type"] == "http.disconnect":
                    raise ClientGone
                body += message.get("body", b"")
                if len(body) > limits.body_bytes:
                    raise too_large
                if not message.get("more_body", False):
                    return bytes(body)
    except TimeoutError:
        raise TooSlow(
            f"The body did not arrive within {limits.body_seconds:g} seconds.", headers=CLOSE
        ) from None
