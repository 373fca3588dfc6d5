"""What monitoring is told from outside."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Annotated
from urllib.parse import urlsplit

from pydantic import BeforeValidator, Field

from servicekit.settings import PostgresSettings, Seconds, ServiceSettings

_NAME = re.compile(r"[a-z][a-z0-9_-]{0,62}")
_HOST_AND_PORT = re.compile(r"\S+:(\d{1,5})")
_LARGEST_PORT = 65535


@dataclass(frozen=True)
class WatchTarget:
    """A service whose health is followed.

    Attributes:
        name: Its node in the mesh.
        address: A gRPC target with `grpc.health.v1`, or the URL of a page that answers 200 or 503.
    """

    name: str
    address: str

    @property
    def is_http(self) -> bool:
        """True when the address is a URL."""
        return self.address.startswith(("http://", "https://"))


def watch_targets(text: str) -> tuple[WatchTarget, ...]:
    """Read `name=address,...`; a ValueError names every entry at fault."""
    entries = [entry.strip() for entry in text.split(",") if entry.strip()]
    targets = [WatchTarget(*map(str.strip, entry.split("=", 1))) for entry in entries if "=" in entry]
    names = [target.name for target in targets]
    faults = [
        *(f"{entry!r} is not of the form name=address" for entry in entries if "=" not in entry),
        *(f"{name!r} is not a name" for name in names if not _NAME.fullmatch(name)),
        *(f"{name!r} is named twice" for name in sorted(set(names)) if names.count(name) > 1),
        *(
            f"{target.name!r} is at {target.address!r}, which is neither host:port nor a URL"
            for target in targets
            if not _is_address(target)
        ),
    ]
    if faults:
        raise ValueError("; ".join(faults))
    return tuple(targets)


def _is_address(target: WatchTarget) -> bool:
    if target.is_http:
        try:
            return bool(urlsplit(target.address).hostname) and urlsplit(target.address).port != 0
        except ValueError:
            return False
    if target.address.startswith("unix:"):
        return target.address != "unix:"
    found = _HOST_AND_PORT.fullmatch(target.address)
    return found is not None and 0 < int(found[1]) <= _LARGEST_PORT


def _parsed(value: object) -> object:
    return watch_targets(value) if isinstance(value, str) else value


class MonitoringSettings(PostgresSettings, ServiceSettings):
    """Settings of the monitoring service."""

    watch_targets: Annotated[tuple[WatchTarget, ...], BeforeValidator(_parsed)] = ()
    """Whose health is followed, as `auth=host:port,gateway=http://host:port/health/ready`; empty for none."""

    state_path: str = ""
    """Folder that keeps samples through a restart, made if need be; empty keeps them in memory only."""

    history_bytes: Annotated[int, Field(ge=1024 * 1024)] = 256 * 1024 * 1024
    """Of compressed samples; over this the oldest go, before they are seven days old."""

    series_limit: Annotated[int, Field(ge=1)] = 100_000
    """Series that are known at a time; further ones are refused."""

    sender_series_limit: Annotated[int, Field(ge=1)] = 20_000
    """Live series of one sender."""

    sender_samples_per_second: Annotated[float, Field(gt=0, allow_inf_nan=False)] = 100_000
    """Of one sender, over time."""

    query_timeout_seconds: Seconds = 30
    """The most that one PromQL evaluation may take."""
