"""What is known of each process, and the file that tells other commands.

The supervisor alone writes the file, on every transition; readers check each pid
against when it started, so a file that a dead supervisor left misleads nobody.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping
from dataclasses import asdict, dataclass, field, replace
from enum import StrEnum
from pathlib import Path
from typing import Any

from launcher.errors import NothingRuns
from launcher.files import read_json, write_private
from launcher.identity import Identity
from launcher.ports import HOST
from servicekit.clock import Clock

SUPERVISOR = "tillmesh"
"""The name under which the supervisor lists itself."""

GATEWAY = "gateway"
POSTGRES = "postgres"
VALKEY = "valkey"
STORES = frozenset({POSTGRES, VALKEY})
"""What all others stand on: stopped last."""


class ProcessState(StrEnum):
    """Where a process stands, as its supervisor sees it."""

    WAITING = "waiting"
    RUNNING = "running"
    RESTARTING = "restarting"
    STOPPING = "stopping"
    STOPPED = "stopped"


class ProbeKind(StrEnum):
    """How a process is asked for its health."""

    GRPC = "grpc"  # grpc.health.v1 at host:port
    GATEWAY = "gateway"  # /health/ready and /health/live at host:port
    HTTP = "http"  # one page, at host:port/path, that is 200 or 503
    POSTGRES = "postgres"  # takes connections at a Unix socket
    VALKEY = "valkey"  # answers PING at a Unix socket
    FILE = "file"  # a file that stands once its work is done


@dataclass(frozen=True)
class Probe:
    """How and where one process is asked for its health."""

    kind: ProbeKind
    address: str


@dataclass(frozen=True)
class ProcessRecord:
    """One process at one moment."""

    name: str
    ports: Mapping[str, int] = field(default_factory=dict)
    probe: Probe | None = None
    """Set once it has started."""
    state: ProcessState = ProcessState.WAITING
    identity: Identity | None = None
    started_at: float = 0.0
    """When the process that runs now was started: seconds since 1970."""
    restarts: int = 0

    @property
    def is_alive(self) -> bool:
        """Whether the process it names runs right now."""
        return self.identity is not None and self.identity.is_alive()


class Roster:
    """The records of one mesh. Every change is written to the file before `changed` hears of it."""

    def __init__(self, path: Path, changed: Callable[[ProcessRecord], None], clock: Clock) -> None:
        self._path = path
        self._clock = clock
        self._changed = changed
        self._records: dict[str, ProcessRecord] = {}

    def enter(self, records: Iterable[ProcessRecord]) -> None:
        """List more processes."""
        self._records |= {record.name: record for record in records}
        self._write()

    def records(self) -> list[ProcessRecord]:
        """All records, in the order they were entered."""
        return list(self._records.values())

    def running(self, name: str, identity: Identity | None, probe: Probe) -> None:
        """Note that a process was started."""
        started_at = self._clock.now().timestamp()
        self._change(name, state=ProcessState.RUNNING, identity=identity, probe=probe, started_at=started_at)

    def ended(self, name: str, state: ProcessState) -> None:
        """Note that a process is gone: for now (RESTARTING) or for good (STOPPED)."""
        again = self._records[name].restarts + (state is ProcessState.RESTARTING)
        self._change(name, state=state, identity=None, restarts=again)

    def stopping(self, name: str) -> None:
        """Note that a process was asked to stop."""
        self._change(name, state=ProcessState.STOPPING)

    def forget(self) -> None:
        """Remove the file: nothing runs any more."""
        self._path.unlink(missing_ok=True)

    def _change(self, name: str, **changes: Any) -> None:  # noqa: ANN401 - fields of one dataclass
        self._records[name] = replace(self._records[name], **changes)
        self._write()
        self._changed(self._records[name])

    def _write(self) -> None:
        content = [asdict(record) for record in self._records.values()]
        write_private(self._path, json.dumps(content, indent=1) + "\n")


def read_records(path: Path) -> list[ProcessRecord]:
    """What the file says; nothing where no mesh is up."""
    return [_record(said) for said in read_json(path) or []]


def gateway_address(path: Path) -> str:
    """Where the gateway that runs now takes requests; NothingRuns without one."""
    for record in read_records(path):
        if record.name == GATEWAY and record.is_alive:
            return f"{HOST}:{record.ports['http']}"
    raise NothingRuns("No gateway runs: `tillmesh up` starts one, `tillmesh status` shows what there is.")


def _record(said: dict[str, Any]) -> ProcessRecord:
    identity = said.pop("identity")
    probe = said.pop("probe")
    return ProcessRecord(
        **{**said, "state": ProcessState(said["state"])},
        identity=None if identity is None else Identity(**identity),
        probe=None if probe is None else Probe(ProbeKind(probe["kind"]), probe["address"]),
    )
