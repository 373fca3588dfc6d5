"""What can be said of a mesh at one moment: the supervisor's records, and what the processes answer."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass, field
from functools import partial
from typing import Any

from launcher.health import READINESS, SERVING, Health, HealthReader
from launcher.memory import own_bytes, tree_bytes
from launcher.records import SUPERVISOR, ProcessRecord, ProcessState

_AT_ONCE = 12


@dataclass(frozen=True)
class Observation:
    """One process, in the words of `tillmesh status --json`."""

    name: str
    pid: int | None
    state: ProcessState
    health: Health = field(default_factory=dict)
    ports: Mapping[str, int] = field(default_factory=dict)
    memory_bytes: int = 0
    """Proportional set size, with that of its own children; 0 unless asked for."""
    restarts: int = 0
    uptime_seconds: float = 0.0

    @property
    def is_ready(self) -> bool:
        """Whether it runs and says that it is ready."""
        return self.state is ProcessState.RUNNING and self.health.get(READINESS) == SERVING


@dataclass(frozen=True)
class MeshStatus:
    """All processes at one moment."""

    processes: Sequence[Observation]

    @property
    def is_ready(self) -> bool:
        """Whether orders can be taken: every process runs and is ready, and the shop is filled."""
        return bool(self.processes) and all(process.is_ready for process in self.processes)

    @property
    def runs(self) -> bool:
        """Whether there is any process at all."""
        return any(process.pid is not None for process in self.processes)

    def unready(self) -> list[str]:
        """Each process that is not ready, with what there is to say about it."""
        return [_complaint(process) for process in self.processes if not process.is_ready]

    def as_json(self) -> dict[str, Any]:
        """The document of `tillmesh status --json`."""
        return {"ready": self.is_ready, "processes": [asdict(process) for process in self.processes]}


class Observer:
    """Looks at processes, all at once, as often as it is asked to."""

    def __init__(self, now: Callable[[], float] = time.time) -> None:
        self._now = now
        self._reader = HealthReader()
        self._pool = ThreadPoolExecutor(_AT_ONCE, "observer")

    def observe(self, records: Sequence[ProcessRecord], *, with_memory: bool = False) -> MeshStatus:
        """How they are now; takes about as long as the slowest answer, a second or two at most.

        Memory is counted on request: it costs the kernel 30 ms, ten times the rest.
        """
        return MeshStatus(list(self._pool.map(partial(self._one, with_memory=with_memory), records)))

    def close(self) -> None:
        """Let go of threads and connections."""
        self._pool.shutdown()
        self._reader.close()

    def _one(self, record: ProcessRecord, *, with_memory: bool) -> Observation:
        if record.identity is None or record.probe is None or not record.is_alive:
            return Observation(
                record.name, None, _state_of_the_dead(record), ports=record.ports, restarts=record.restarts
            )
        pid = record.identity.pid
        return Observation(
            name=record.name,
            pid=pid,
            state=record.state,
            health=self._reader.read(record.probe),
            ports=record.ports,
            memory_bytes=_memory(record.name, pid) if with_memory else 0,
            restarts=record.restarts,
            uptime_seconds=round(max(0.0, self._now() - record.started_at), 1),
        )


def _memory(name: str, pid: int) -> int:
    """What a process takes. All are the supervisor's children: its own memory is without theirs."""
    return own_bytes(pid) if name == SUPERVISOR else tree_bytes(pid)


def _state_of_the_dead(record: ProcessRecord) -> ProcessState:
    """What the record says, unless it says that a dead process lives: its supervisor died too."""
    lives = record.state in {ProcessState.RUNNING, ProcessState.STOPPING}
    return ProcessState.STOPPED if lives else record.state


def _complaint(process: Observation) -> str:
    if process.state is not ProcessState.RUNNING:
        return f"{process.name} is {process.state}"
    return f"{process.name} says {process.health.get(READINESS)}"
