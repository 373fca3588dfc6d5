"""HTTP/1.1 as uvicorn reads it, with an end to its patience.

uvicorn waits for ever for the head of a first request, for ever keeps one that does
not end, and for ever reads the rest of a body that was answered early. Here a head
must arrive in time and fit a size, and so must such a rest: it is read, because
hanging up on a client that still sends would destroy the answer on its way, but not
for long. What is refused before there is a request to answer still gets a problem
document with a request id.
"""

import asyncio
from typing import Any

from typing_extensions import override
from uvicorn.config import Config
from uvicorn.protocols.http.httptools_impl import STATUS_LINE, HttpToolsProtocol, RequestResponseCycle
from uvicorn.server import ServerState

from gateway.incoming import CLOSE, Limits
from gateway.problems import HeadersTooLarge, MalformedRequest, Occurrence, Problem, TooSlow, rendered
from gateway.reply import ON_EVERY_ANSWER
from servicekit.clock import uuid7


class BoundedProtocol(HttpToolsProtocol):
    """One connection. Hand uvicorn `partial(BoundedProtocol, limits)` as its protocol."""

    def __init__(
        self,
        limits: Limits,
        config: Config,
        server_state: ServerState,
        app_state: dict[str, Any],
        _loop: asyncio.AbstractEventLoop | None = None,
    ) -> None:
        super().__init__(config, server_state, app_state, _loop)
        self._limits = limits
        self._head_bytes = 0
        self._head_has_begun = False
        self._head_timer: asyncio.TimerHandle | None = None
        self._rest_timer: asyncio.TimerHandle | None = None

    @override
    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override] # as uvicorn's
        super().connection_made(transport)
        self._await_head()

    @override
    def connection_lost(self, exc: Exception | None) -> None:
        self._end_head()
        self._end_rest()
        super().connection_lost(exc)

    @override
    def data_received(self, data: bytes) -> None:
        if self._head_timer is not None:
            self._head_bytes += len(data)
        super().data_received(data)
        most = self._limits.header_bytes + self._limits.url_bytes
        if self._head_timer is not None and self._head_bytes > most:
            self._refuse(HeadersTooLarge(f"The headers may have {self._limits.header_bytes} bytes."))

    @override
    def on_message_begin(self) -> None:
        super().on_message_begin()
        if self._head_timer is None:
            self._await_head()
        self._head_has_begun = True

    @override
    def on_headers_complete(self) -> None:
        self._end_head()
        super().on_headers_complete()

    @override
    def on_message_complete(self) -> None:
        self._end_rest()
        super().on_message_complete()

    @override
    def on_response_complete(self) -> None:
        if self.cycle.more_body and not self.transport.is_closing():
            self._rest_timer = self.loop.call_later(self._limits.body_seconds, self.transport.close)
        super().on_response_complete()

    @override
    def send_400_response(self, msg: str) -> None:
        self._refuse(MalformedRequest("The bytes are not HTTP/1.1."))

    @override
    def _unsupported_upgrade_warning(self) -> None:
        """Say nothing: an Upgrade may be ignored (RFC 9110 section 7.8), and strangers could fill the log."""

    def _await_head(self) -> None:
        self._head_bytes = 0
        self._head_has_begun = False
        self._head_timer = self.loop.call_later(self._limits.head_seconds, self._head_is_late)

    def _end_head(self) -> None:
        if self._head_timer is not None:
            self._head_timer.cancel()
            self._head_timer = None

    def _end_rest(self) -> None:
        if self._rest_timer is not None:
            self._rest_timer.cancel()
            self._rest_timer = None

    def _head_is_late(self) -> None:
        self._head_timer = None
        if self._is_answering():
            self._await_head()  # The late one is pipelined behind it.
        elif self._head_has_begun:
            seconds = self._limits.head_seconds
            self._refuse(TooSlow(f"The head did not arrive within {seconds:g} seconds."))
        else:
            self.transport.close()

    def _is_answering(self) -> bool:
        cycle: RequestResponseCycle | None = self.cycle
        return cycle is not None and not cycle.response_complete

    def _refuse(self, problem: Problem) -> None:
        """Answer what is no request yet, and hang up."""
        self._end_head()
        if self._is_answering():
            self.transport.abort()
        elif not self.transport.is_closing():
            self.transport.write(_response(problem))
            self.transport.close()


def _response(problem: Problem) -> bytes:
    """A whole HTTP/1.1 response that tells of a problem."""
    request_id = uuid7()
    occurrence = Occurrence(path="", request_id=request_id, trace_id="")
    content_type, body = rendered(problem, occurrence, as_status=False)
    headers = (
        (b"content-type", content_type),
        (b"content-length", str(len(body)).encode()),
        (b"x-request-id", request_id.encode()),
        *CLOSE,
        *ON_EVERY_ANSWER,
    )
    lines = b"".join(name + b": " + value + b"\r\n" for name, value in headers)
    return STATUS_LINE[problem.status] + lines + b"\r\n" + body
