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
