"""PostgreSQL and Redis for the mesh: servers of our own, or those that the user names."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from urllib.parse import parse_qs, unquote, urlsplit

import asyncpg

from launcher.children import Store
from launcher.databases import EmbeddedPostgres, EmbeddedValkey, RoleTaken, passwords_in, prepare
from launcher.errors import CommandFailed
from launcher.records import POSTGRES, VALKEY, Probe, ProbeKind
from launcher.settings import Settings


class Stores:
    """What the services keep their data in. The URLs are good once the servers have started."""

    def __init__(self, settings: Settings) -> None:
        home = settings.files.home
        self._home = home
        self._settings = settings
        self._postgres = None if settings.database_url else EmbeddedPostgres(home)
        self._valkey = None if settings.redis_url else EmbeddedValkey(home)

    def servers(self) -> dict[str, Store]:
        """The servers to run, by name."""
        servers = {}
        if self._postgres is not None:
            servers[POSTGRES] = Store(self._postgres, partial(_postgres_probe, self._postgres))
        if self._valkey is not None:
            servers[VALKEY] = Store(self._valkey, partial(_valkey_probe, self._valkey))
        return servers

    @property
    def redis_url(self) -> str:
        """Where services share state."""
        return self._settings.redis_url if self._valkey is None else self._valkey.url

    async def database_urls(self) -> dict[str, str]:
        """Make each service's role and database, unless they stand; the URL of each."""
        admin_url = self._settings.database_url if self._postgres is None else self._postgres.admin_url
        try:
            return await prepare(admin_url, passwords_in(self._home))
        except (RoleTaken, asyncpg.PostgresError, asyncpg.InterfaceError, OSError, TimeoutError) as error:
            raise CommandFailed(
                f"The databases cannot be prepared: {error or type(error).__name__}."
            ) from error


def _postgres_probe(server: EmbeddedPostgres) -> Probe:
    folder = parse_qs(urlsplit(server.admin_url).query)["host"][0]
    return Probe(ProbeKind.POSTGRES, str(Path(folder) / ".s.PGSQL.5432"))


def _valkey_probe(server: EmbeddedValkey) -> Probe:
    return Probe(ProbeKind.VALKEY, unquote(urlsplit(server.url).path))
