"""Real servers for tests: one embedded PostgreSQL and one Valkey per session, a fresh database per test.

`make_database("services.orders")` gives the URL of a new database with that
package's migrations, in some 50 ms; `make_database(None)` an empty one.
`open_database("services.orders")` gives a servicekit `Database` on such a one.
`valkey_url` is empty for each test. `free_ports(n)` gives ports nobody listens on.
A guard process ends the servers when pytest itself is killed.
"""

import asyncio
import logging
import os
import shutil
import socket
import subprocess
import sys
import tempfile
import threading
from collections.abc import AsyncIterator, Callable, Coroutine, Iterator
from pathlib import Path
from typing import Any, TypeVar

import asyncpg
import pytest
import redis
from opentelemetry.trace import Tracer
from pydantic import SecretStr

from launcher.databases import EmbeddedPostgres, EmbeddedValkey
from servicekit.instruments import Instruments
from servicekit.postgres import Database
from servicekit.settings import PostgresSettings

T = TypeVar("T")

# Reads until pytest's end of the pipe closes, then stops both servers and removes their folder.
_GUARD = 'while read -r pid; do pids="$pids $pid"; done; kill -INT $pids 2>/dev/null; sleep 1; rm -rf "$0"'


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--torture", action="store_true", help="the same suites with their large counts, for hours"
    )


@pytest.fixture(scope="session")
def torture(request: pytest.FixtureRequest) -> bool:
    """Whether counts are the large ones."""
    return bool(request.config.getoption("--torture"))


@pytest.fixture(autouse=True)
def _logging_as_it_was() -> Iterator[None]:
    """Whoever configures logs in its test leaves them as they were."""
    root = logging.getLogger()
    handlers, level = list(root.handlers), root.level
    yield
    root.handlers[:] = handlers
    root.setLevel(level)


class Background:
    """An event loop in a thread of its own, for fixtures that outlive every test's loop."""

    def __init__(self) -> None:
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="fixtures")
        self._thread.start()

    def run(self, work: Coroutine[Any, Any, T], timeout_seconds: float = 60) -> T:
        return asyncio.run_coroutine_threadsafe(work, self._loop).result(timeout_seconds)

    def close(self) -> None:
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()


class Guard:
    """A shell that ends the processes it was told of when this process dies, however it dies."""

    def __init__(self, folder: Path) -> None:
        command = ["/bin/sh", "-c", _GUARD, str(folder)]
        self._shell = subprocess.Popen(command, stdin=subprocess.PIPE, start_new_session=True)

    def watch(self, pid: int | None) -> None:
        assert self._shell.stdin is not None
        self._shell.stdin.write(f"{pid}\n".encode())
        self._shell.stdin.flush()

    def dismiss(self) -> None:
        self._shell.kill()
        self._shell.wait()
        assert self._shell.stdin is not None
        self._shell.stdin.close()


@pytest.fixture(scope="session")
def background() -> Iterator[Background]:
    background = Background()
    yield background
    background.close()


@pytest.fixture(scope="session")
def server_folder() -> Iterator[Path]:
    folder = Path(tempfile.mkdtemp(prefix="tillmesh-"))
    folder.chmod(0o711)  # run by root, PostgreSQL is another user
    yield folder
    shutil.rmtree(folder)


@pytest.fixture(scope="session")
def guard(server_folder: Path) -> Iterator[Guard]:
    guard = Guard(server_folder)
    yield guard
    guard.dismiss()


@pytest.fixture(scope="session")
def postgres_server(background: Background, server_folder: Path, guard: Guard) -> Iterator[EmbeddedPostgres]:
    server = EmbeddedPostgres(server_folder)
    background.run(server.start())
    guard.watch(server.pid)
    yield server
    background.run(server.stop())


@pytest.fixture(scope="session")
def valkey_server(background: Background, server_folder: Path, guard: Guard) -> Iterator[EmbeddedValkey]:
    server = EmbeddedValkey(server_folder)
    background.run(server.start())
    guard.watch(server.pid)
    yield server
    background.run(server.stop())


class Databases:
    """Databases made from templates: one per package, migrated once, and an empty one."""

    def __init__(self, server: EmbeddedPostgres, background: Background) -> None:
        self._server = server
        self._background = background
        self._templates: dict[str | None, str] = {None: "template0"}
        self._made = 0

    def make(self, package: str | None) -> str:
        if package not in self._templates:
            template = self._create("template0")
            self._migrate(package, self._server.url(template))
            self._templates[package] = template
        return self._create(self._templates[package])

    def drop(self, name: str) -> None:
        self._execute(f"DROP DATABASE {name} WITH (FORCE)")

    def url(self, name: str) -> str:
        return self._server.url(name)

    def _create(self, template: str) -> str:
        self._made += 1
        name = f"test_{self._made}"
        self._execute(f"CREATE DATABASE {name} TEMPLATE {template}")
        return name

    def _migrate(self, package: str | None, url: str) -> None:
        command = [sys.executable, "-m", "servicekit.migrations", str(package)]
        environ = os.environ | {"DATABASE_URL": url}
        done = subprocess.run(command, check=False, env=environ, capture_output=True, text=True)
        assert done.returncode == 0, done.stderr

    def _execute(self, statement: str) -> None:
        self._background.run(self._execute_alone(statement))

    async def _execute_alone(self, statement: str) -> None:
        connection = await asyncpg.connect(self._server.admin_url)
        await connection.execute(statement)
        await connection.close()


@pytest.fixture(scope="session")
def databases(postgres_server: EmbeddedPostgres, background: Background) -> Databases:
    return Databases(postgres_server, background)


@pytest.fixture
def make_database(databases: Databases) -> Iterator[Callable[[str | None], str]]:
    """Give the URL of a fresh database with a package's migrations; dropped after the test."""
    made = []

    def make(package: str | None) -> str:
        made.append(databases.make(package))
        return databases.url(made[-1])

    yield make
    for name in made:
        databases.drop(name)


@pytest.fixture
async def open_database(make_database: Callable[[str | None], str]) -> AsyncIterator[Callable[..., Database]]:
    """Give a Database on a fresh database of a package, or on `url`; closed after the test."""
    opened = []

    def make(
        package: str | None = None,
        *,
        url: str = "",
        instruments: Instruments | None = None,
        tracer: Tracer | None = None,
        **bounds: Any,
    ) -> Database:
        settings = PostgresSettings(database_url=SecretStr(url or make_database(package)), **bounds)
        opened.append(Database(settings, instruments, tracer))
        return opened[-1]

    yield make
    for database in opened:
        await database.close()


@pytest.fixture
def valkey_url(valkey_server: EmbeddedValkey) -> str:
    with redis.Redis.from_url(valkey_server.url) as client:
        client.flushall()
    return valkey_server.url


@pytest.fixture
def free_ports() -> Callable[[int], list[int]]:
    """Give ports of 127.0.0.1 that nobody listened on a moment ago."""

    def find(count: int) -> list[int]:
        sockets = [socket.create_server(("127.0.0.1", 0)) for _ in range(count)]
        ports = [opened.getsockname()[1] for opened in sockets]
        for opened in sockets:
            opened.close()
        return ports

    return find
