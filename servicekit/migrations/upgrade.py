"""One package's database, from whatever schema it has to the newest."""

import importlib.util
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import asyncpg
from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.util import CommandError
from sqlalchemy import Connection
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import create_async_engine
from sqlalchemy.pool import NullPool

from servicekit.errors import StoreUnavailable
from servicekit.postgres_errors import is_away, said_of

CONNECT_SECONDS = 5.0
_LOCK = 7_411_650_127_334_181  # any number that no other program locks in our databases
_NEWEST = "head"


class MigrationFailed(Exception):
    """The schema is as it was: nothing of this run was committed."""


def versions_of(package: str) -> Path:
    """The folder of a package's versions, found without importing the package itself."""
    spec = importlib.util.find_spec(package)
    if spec is None or not spec.submodule_search_locations:
        raise MigrationFailed(f"there is no package {package}")
    folder = Path(spec.submodule_search_locations[0]) / "store" / "migrations" / "versions"
    if not folder.is_dir():
        raise MigrationFailed(f"{package} has no migrations: {folder} is missing")
    return folder


async def upgrade(package: str, url: str) -> tuple[str, str]:
    """Upgrade to the newest version; returns the version before (empty for none) and after.

    Raises StoreUnavailable when the server is away, MigrationFailed for anything else.
    """
    config = Config(attributes={})
    config.set_main_option("script_location", str(Path(__file__).parent))
    config.set_main_option("path_separator", "newline")
    config.set_main_option("version_locations", str(versions_of(package)).replace("%", "%%"))
    async with _alone(url):
        engine = create_async_engine(
            "postgresql+asyncpg://", async_creator=lambda: _connect(url), poolclass=NullPool
        )
        try:
            async with engine.connect() as connection:
                return await connection.run_sync(_upgrade, config)
        except DBAPIError as error:
            raise MigrationFailed(_first_lines(error)) from error
        except CommandError as error:
            raise MigrationFailed(str(error)) from error
        finally:
            await engine.dispose()


def _upgrade(connection: Connection, config: Config) -> tuple[str, str]:
    before = _version(connection)
    config.attributes["connection"] = connection
    command.upgrade(config, _NEWEST)
    connection.commit()
    return before, _version(connection)


def _version(connection: Connection) -> str:
    version = MigrationContext.configure(connection).get_current_revision()
    connection.rollback()  # asking began a transaction
    return version or ""


@asynccontextmanager
async def _alone(url: str) -> AsyncIterator[None]:
    """Hold a lock that only one migrator of this database can hold, on a connection of its own."""
    connection = await _connect(url)
    try:
        await connection.execute("SELECT pg_advisory_lock($1)", _LOCK)
        yield
    finally:
        connection.terminate()


async def _connect(url: str) -> Any:  # noqa: ANN401 - untyped library
    try:
        # Statements that were prepared before a table changed are of no use after it.
        return await asyncpg.connect(url, timeout=CONNECT_SECONDS, statement_cache_size=0)
    except Exception as error:
        if is_away(error, None):
            raise StoreUnavailable(said_of(error)) from error
        raise


def _first_lines(error: DBAPIError) -> str:
    statement = " ".join((error.statement or "").split())
    return f"{error.orig} in: {statement[:200]}"
