"""The state directory: what lies where, who may read it, and who holds it.

Files are replaced whole (written beside, then renamed), so that no reader sees half
of one; all are private (0600). The directory itself may be traversed, because a
PostgreSQL that root starts runs as somebody else; nothing in it may be listed.
"""

from __future__ import annotations

import fcntl
import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from launcher.errors import CommandFailed

_PRIVATE = 0o600
_TRAVERSABLE = 0o711


class StateFiles:
    """The files under one state directory (`TILLMESH_HOME`)."""

    def __init__(self, home: Path) -> None:
        self.home = home.absolute()
        self.logs = self.home / "logs"
        self.credentials = self.home / "credentials.json"
        self.secrets = self.home / "secrets.json"
        self.processes = self.home / "processes.json"
        self.seeded = self.home / "seeded.json"
        self._lock = self.home / "lock"

    def log(self, name: str) -> Path:
        """Where the log of one process is written."""
        return self.logs / f"{name}.log"

    def create(self) -> None:
        """Make the directory, unless it stands."""
        try:
            self.home.mkdir(mode=_TRAVERSABLE, parents=True, exist_ok=True)
            self.logs.mkdir(mode=0o700, exist_ok=True)
        except OSError as error:
            raise CommandFailed(
                f"The state directory {self.home} cannot be made: {error.strerror}."
            ) from error

    @contextmanager
    def held(self) -> Iterator[None]:
        """Hold the directory for this process alone; whoever comes second is refused.

        The kernel lets go when the process ends, however it ends.
        """
        descriptor = os.open(self._lock, os.O_RDWR | os.O_CREAT, _PRIVATE)
        try:
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                raise CommandFailed(
                    f"Tillmesh is up already on {self.home}: see `tillmesh status`, or `tillmesh down` first."
                ) from None
            yield
        finally:
            os.close(descriptor)


def write_private(path: Path, content: str) -> None:
    """Replace a file whole; only its owner may read it."""
    beside = path.with_name(f"{path.name}.{os.getpid()}.new")
    descriptor = os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, _PRIVATE)
    with os.fdopen(descriptor, "w", encoding="utf-8") as file:
        file.write(content)
    beside.replace(path)


def read_json(path: Path) -> Any:  # noqa: ANN401 - JSON is what it is
    """What the file says, or None where there is none; fails clearly on a damaged one."""
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return None
    except ValueError as error:
        raise CommandFailed(f"{path} is damaged ({error}): move it away and start again.") from error


def kept(path: Path, made: dict[str, Any]) -> dict[str, Any]:
    """What the file says, and from `made` whatever it does not say yet; both are then kept."""
    said: dict[str, Any] = read_json(path) or {}
    whole = {**made, **said}
    if whole != said:
        write_private(path, json.dumps(whole, indent=2) + "\n")
    return whole
