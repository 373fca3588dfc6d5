"""Valkey from a wheel, for one machine: shared state that may be lost, on a Unix socket.

What services keep here (throttles, caches) is rebuilt when it is gone, so
nothing is written to disk and old keys give way when memory is full.
"""

import signal
from pathlib import Path
from urllib.parse import quote

from launcher.accounts import current_account
from launcher.server_process import HomeLock, ServerFailed, ServerProcess, stop_orphans
from launcher.sockets import SocketFolder
from launcher.wheels import valkey_server

_START_SECONDS = 20.0
_SOCKET_NAME = "valkey.sock"
_STOP_STEPS = ((signal.SIGTERM, 5.0),)
_SETTINGS = {
    "port": "0",
    "unixsocketperm": "700",
    "save": "",
    "appendonly": "no",
    "maxmemory": "32mb",
    "maxmemory-policy": "volatile-lru",
    "databases": "16",
}


class EmbeddedValkey:
    """A Valkey server of ours under `state`/valkey, logging to `state`/logs/valkey.log."""

    def __init__(self, state: Path) -> None:
        self._home = state.resolve() / "valkey"
        self._process = ServerProcess("valkey-server", state.resolve() / "logs" / "valkey.log")
        self._lock = HomeLock(self._home)
        self._sockets = SocketFolder(self._home / "socket", _SOCKET_NAME, current_account())

    async def start(self) -> None:
        """Stop what a dead launcher left, start, and wait until it answers."""
        self._home.mkdir(parents=True, exist_ok=True)
        self._lock.take()
        await stop_orphans("valkey-server", self._home, signal.SIGTERM)
        socket = self._sockets.make() / _SOCKET_NAME
        options = [word for name, value in _SETTINGS.items() for word in (f"--{name}", value)]
        command: list[str | Path] = [valkey_server(), *options, "--unixsocket", socket]
        await self._process.spawn(command, current_account(), self._home)
        await self._process.wait_until(socket.exists, _START_SECONDS)

    async def stop(self) -> None:
        """Wait until the server is gone."""
        await self._process.stop(*_STOP_STEPS)
        self._sockets.remove()
        self._lock.release()

    async def wait(self) -> int:
        """Wait until the server ends; returns its exit code (negative: the signal's number)."""
        return await self._process.wait()

    @property
    def pid(self) -> int | None:
        """The server's process id while it runs, else None."""
        return self._process.pid

    @property
    def url(self) -> str:
        """The URL for redis-py, of database 0."""
        if self.pid is None:
            raise ServerFailed("valkey is not running")
        return f"unix://{quote(str(self._sockets.path / _SOCKET_NAME))}?db=0"
