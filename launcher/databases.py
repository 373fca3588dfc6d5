"""The databases of the mesh: one of its own, with a role of its own, for each service.

The servers are embedded ones (`EmbeddedPostgres`, `EmbeddedValkey`), or for
PostgreSQL any that the user names with `DATABASE_URL`. Either way `prepare`
makes the roles and databases, and no role may connect to another's database.
"""

import json
import os
import secrets
from collections.abc import Iterable, Mapping
from pathlib import Path
from urllib.parse import parse_qsl, quote, urlencode, urlsplit, urlunsplit

import asyncpg

from launcher.embedded_postgres import EmbeddedPostgres
from launcher.embedded_valkey import EmbeddedValkey

__all__ = [
    "SERVICES",
    "EmbeddedPostgres",
    "EmbeddedValkey",
    "RoleTaken",
    "passwords_in",
    "prepare",
    "url_for",
]

SERVICES = ("auth", "orders", "payments", "monitoring")
_OURS = "made by tillmesh"
_CONNECT_SECONDS = 10.0


class RoleTaken(Exception):
    """The server has a role of this name that we did not make; its password is not ours to change."""


def passwords_in(state: Path, services: Iterable[str] = SERVICES) -> dict[str, str]:
    """Each service's database password, made at random once and kept in `state` with mode 0600."""
    file = state / "database-passwords.json"
    passwords: dict[str, str] = json.loads(file.read_text()) if file.exists() else {}
    missing = [service for service in services if service not in passwords]
    if missing:
        passwords |= {service: secrets.token_urlsafe(24) for service in missing}
        unfinished = file.with_suffix(".unfinished")
        unfinished.unlink(missing_ok=True)
        with os.fdopen(os.open(unfinished, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as opened:
            json.dump(passwords, opened, indent=2)
        unfinished.rename(file)
    return passwords


async def prepare(admin_url: str, passwords: Mapping[str, str]) -> dict[str, str]:
    """Make a role and a database for each service that has a password; returns each one's URL.

    Repeating it changes nothing but stale passwords. It needs a superuser, or a
    role with CREATEROLE and CREATEDB (as managed servers give). Connection faults
    and refusals of the server come as asyncpg and OSError raise them.
    """
    connection = await asyncpg.connect(admin_url, timeout=_CONNECT_SECONDS, command_timeout=_CONNECT_SECONDS)
    try:
        for service, password in passwords.items():
            await _make_role(connection, service, password)
            await _make_database(connection, service)
    finally:
        await connection.close(timeout=_CONNECT_SECONDS)
    return {service: url_for(admin_url, service, password) for service, password in passwords.items()}


def url_for(admin_url: str, service: str, password: str) -> str:
    """The URL of one service's database on the server of `admin_url`, as its own role."""
    parts = urlsplit(admin_url)
    place = parts.netloc.rpartition("@")[2]
    who_and_where = f"{quote(service)}:{quote(password, safe='')}@{place}"
    ours = {"user", "password", "database", "dbname"}
    query = urlencode([(key, value) for key, value in parse_qsl(parts.query) if key not in ours])
    return urlunsplit(("postgresql", who_and_where, f"/{quote(service)}", query, ""))


async def _make_role(connection: "asyncpg.Connection", name: str, password: str) -> None:
    comment = await connection.fetchval(
        "SELECT coalesce(shobj_description(oid, 'pg_authid'), '') FROM pg_roles WHERE rolname = $1", name
    )
    if comment is None:
        # One transaction: a role of ours is never seen without the comment that says so.
        async with connection.transaction():
            await _run(connection, "CREATE ROLE %I LOGIN PASSWORD %L", name, password)
            await _run(connection, "COMMENT ON ROLE %I IS %L", name, _OURS)
            await _allow_handing_over(connection, name)
    elif comment == _OURS:
        await _run(connection, "ALTER ROLE %I PASSWORD %L", name, password)
    else:
        raise RoleTaken(
            f"the server has a role {name!r} that Tillmesh did not make: drop it or use another server"
        )


async def _allow_handing_over(connection: "asyncpg.Connection", name: str) -> None:
    """Join the role, unless we are a superuser: only members may give a database to it."""
    if not await connection.fetchval("SELECT rolsuper FROM pg_roles WHERE rolname = current_user"):
        await _run(connection, "GRANT %I TO CURRENT_USER", name)


async def _make_database(connection: "asyncpg.Connection", name: str) -> None:
    if not await connection.fetchval("SELECT true FROM pg_database WHERE datname = $1", name):
        await _run(connection, "CREATE DATABASE %I OWNER %I", name, name)
    await _run(connection, "REVOKE CONNECT, TEMPORARY ON DATABASE %I FROM PUBLIC", name)


async def _run(connection: "asyncpg.Connection", template: str, *words: str) -> None:
    """Execute a statement that takes no parameters, quoted by the server: %I a name, %L a literal."""
    places = ", ".join(f"${number}::text" for number in range(2, len(words) + 2))
    await connection.execute(await connection.fetchval(f"SELECT format($1, {places})", template, *words))
