"""What the `tillmesh` command is told: by its arguments first, then by the environment."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from launcher.errors import BadUsage
from launcher.files import StateFiles
from launcher.ports import PortTable, parse_base, port_table

_DATABASE_SCHEMES = ("postgresql://", "postgres://")
_REDIS_SCHEMES = ("redis://", "rediss://", "unix://")


@dataclass(frozen=True)
class Settings:
    """One mesh: where it keeps its state, where it listens, and which stores it uses."""

    files: StateFiles
    ports: PortTable
    database_url: str = field(repr=False)
    """An administrator's URL of a PostgreSQL to use; empty starts one of our own."""
    redis_url: str = field(repr=False)
    """A Redis to use; empty starts a Valkey of our own."""
    environ: Mapping[str, str] = field(repr=False)
    """The environment that processes inherit."""


def read_settings(environ: Mapping[str, str], port_base: str | None = None) -> Settings:
    """The settings; BadUsage names the first that makes no sense. `port_base` is the argument's text."""
    if port_base is None:
        base = parse_base(environ.get("TILLMESH_PORT_BASE"), "TILLMESH_PORT_BASE")
    else:
        base = parse_base(port_base, "--port-base")
    return Settings(
        files=StateFiles(Path(environ.get("TILLMESH_HOME") or ".tillmesh")),
        ports=port_table(base),
        database_url=_url(environ, "DATABASE_URL", _DATABASE_SCHEMES),
        redis_url=_url(environ, "REDIS_URL", _REDIS_SCHEMES),
        environ=environ,
    )


def _url(environ: Mapping[str, str], name: str, schemes: tuple[str, ...]) -> str:
    url = environ.get(name, "")
    if url and not url.startswith(schemes):
        raise BadUsage(f"{name} must begin with {' or '.join(schemes)}.")
    return url
