"""An ASGI application in a process of ours: uvicorn, without its signals, logs and trust."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from math import ceil
from typing import Any

import uvicorn
from typing_extensions import override


class FrontServer:
    """Serves one ASGI application on sockets that are bound already.

    Args:
        app: The application.
        listening: Bound and listening.
        drain_seconds: How long requests that are running may take to end.
        protocol: What reads HTTP: uvicorn's own on httptools, which has no limits on heads,
            or a factory of such protocols that have.
    """

    def __init__(
        self,
        app: Any,  # noqa: ANN401 - ASGI has no type of its own
        listening: socket.socket,
        drain_seconds: float,
        protocol: Any = "httptools",  # noqa: ANN401 - a name, or what uvicorn calls
    ) -> None:
        config = uvicorn.Config(
            app,
            log_config=None,
            access_log=False,
            lifespan="off",
            ws="none",
            http=protocol,
            proxy_headers=False,  # uvicorn would trust X-Forwarded-For from loopback
            server_header=False,
            timeout_graceful_shutdown=ceil(drain_seconds),  # uvicorn takes whole seconds
        )
        self._server = _Server(config)
        self._listening = listening
        self._ended = asyncio.Event()

    async def run(self) -> None:
        """Serve until `stop()` was called and the running requests have ended."""
        try:
            await self._server.serve(sockets=[self._listening])
        finally:
            self._ended.set()

    async def stop(self) -> None:
        """Accept no more, and return when the running requests have ended or were cut off."""
        self._server.should_exit = True
        await self._ended.wait()


class _Server(uvicorn.Server):
    @override
    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Leave signals to `serve()`."""
        yield


def bound_socket(host: str, port: int) -> socket.socket:
    """A socket that listens on `host:port`. Raises OSError when that is taken."""
    listening = socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET, socket.SOCK_STREAM)
    try:
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        # Accepted sockets inherit it; asyncio sets it only on sockets that name their protocol.
        listening.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        listening.bind((host, port))
        listening.listen()  # until then, a second one could be bound to the same port
        listening.setblocking(False)  # noqa: FBT003 - the socket module's own signature
    except OSError:
        listening.close()
        raise
    return listening
