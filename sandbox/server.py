"""The HTTP server: uvicorn, with one thing added, a way to drop a connection without an answer."""

from __future__ import annotations

import asyncio
import contextlib
import socket
from collections.abc import AsyncIterator, Generator

import uvicorn
from starlette.types import ASGIApp
from typing_extensions import override
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

ABORT = "sandbox.abort"
"""The ASGI extension by which an application closes the connection at once: `["abort"]()`."""

_DRAIN_SECONDS = 5
_BACKLOG = 1024


class _Protocol(HttpToolsProtocol):
    """Offers `ABORT` to the application."""

    @override
    def on_message_begin(self) -> None:
        super().on_message_begin()
        self.scope["extensions"] = {ABORT: {"abort": self.transport.abort}}


class _Server(uvicorn.Server):
    """Serves an application until `should_exit`; leaves signals to whoever started it."""

    def __init__(self, app: ASGIApp) -> None:
        config = uvicorn.Config(
            app,
            http=_Protocol,
            ws="none",
            access_log=False,
            log_level="warning",
            server_header=False,
            timeout_graceful_shutdown=_DRAIN_SECONDS,
        )
        super().__init__(config)

    @override
    @contextlib.contextmanager
    def capture_signals(self) -> Generator[None, None, None]:
        yield


def listen(host: str, port: int) -> socket.socket:
    """A socket that listens; port 0 takes any that is free."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listening = socket.create_server((host, port), family=family, backlog=_BACKLOG)
    # Connections inherit it. asyncio sets it for sockets it makes itself, not for this one, and
    # without it each answer waits 40 ms: for the acknowledgement of its own headers.
    listening.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return listening


@contextlib.asynccontextmanager
async def running(app: ASGIApp, listening: socket.socket) -> AsyncIterator[None]:
    """Serve `app` for the time of the block; then drain, and close the socket."""
    server = _Server(app)
    async with asyncio.TaskGroup() as group:
        group.create_task(server.serve([listening]), name="sandbox server")
        try:
            yield
        finally:
            server.should_exit = True
