"""A mesh whose processes a test holds in its own hands: to arm, sabotage, kill or freeze.

The same commands and environments as `tillmesh up` (launcher.plan), with nobody to
start them again but the test, and no monitoring.
"""

from __future__ import annotations

import json
import os
import queue
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Coroutine, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import psutil

from launcher.api import Api
from launcher.credentials import Credentials, kept_secrets
from launcher.databases import EmbeddedPostgres, passwords_in, prepare
from launcher.health import READINESS, SERVING, HealthReader
from launcher.plan import Job, ProcessSpec, Surroundings, migration, plan
from launcher.ports import TABLE
from launcher.seeding import Seeding

ROOT = Path(__file__).parents[2]
SERVICES = ("auth", "orders", "payments", "gateway", "sandbox")
READY_SECONDS = 30.0


class Child:
    """One process that the nursery made."""

    def __init__(self, pid: int) -> None:
        self.pid = pid
        self.code: int | None = None
        self._ended = threading.Event()

    def end(self, code: int) -> None:
        self.code = code
        self._ended.set()

    def wait(self, seconds: float) -> int | None:
        """Its exit code, negative for a signal; none if it outlives the seconds."""
        self._ended.wait(seconds)
        return self.code

    def signal(self, number: signal.Signals) -> None:
        if self.code is None:
            os.kill(self.pid, number)

    @property
    def is_stopped(self) -> bool:
        return self.code is None and psutil.Process(self.pid).status() == psutil.STATUS_STOPPED


class Nursery:
    """The way to `tests.faults.nursery`. Its children end with it, and it with us."""

    def __init__(self, logs: Path) -> None:
        self._logs = logs
        self._children: dict[int, Child] = {}
        self._born: queue.Queue[Child] = queue.Queue()
        command = (sys.executable, "-m", "tests.faults.nursery")
        self._process = subprocess.Popen(
            command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, start_new_session=True
        )
        self._listener = threading.Thread(target=self._listen, name="nursery", daemon=True)
        self._listener.start()

    def bear(self, name: str, argv: tuple[str, ...], environ: Mapping[str, str], *sabotage: str) -> Child:
        """Start what `argv`, a python -m command, says; its log is `<name>.log`."""
        module, arguments = argv[2], list(argv[3:])
        order = {
            "module": module,
            "before": [arguments] if module == "servicekit.migrations" else [],
            "after": [arguments] if module == "sandbox" else [],
            "environ": dict(environ),
            "log": str(self._logs / f"{name}.log"),
            "sabotage": sabotage,
        }
        assert self._process.stdin is not None
        self._process.stdin.write(json.dumps(order).encode() + b"\n")
        self._process.stdin.flush()
        return self._born.get(timeout=READY_SECONDS)

    def close(self) -> None:
        assert self._process.stdin is not None
        self._process.stdin.close()
        self._process.wait(READY_SECONDS)
        self._listener.join()

    def _listen(self) -> None:
        assert self._process.stdout is not None
        with self._process.stdout as lines:
            for line in lines:
                said = json.loads(line)
                if "born" in said:
                    child = self._children[said["born"]] = Child(said["born"])
                    self._born.put(child)
                elif "ended" in said:
                    self._children.pop(said["ended"]).end(said["code"])


@dataclass(frozen=True)
class Running:
    """A process and what it was started with."""

    child: Child
    is_usual: bool


class Workshop:
    """The mesh. Every call blocks; none takes longer than its process needs."""

    def __init__(
        self, home: Path, redis_url: str, run: Callable[..., Any], watch: Callable[[int | None], None]
    ) -> None:
        self.home = home
        (home / "logs").mkdir(exist_ok=True)
        self._run: Callable[[Coroutine[Any, Any, Any]], Any] = run
        self._processes: dict[str, Running] = {}
        self._health = HealthReader()
        self._nursery = Nursery(home / "logs")
        self.postgres = EmbeddedPostgres(home)
        self._redis_url = redis_url
        self._watch = watch

    def open(self) -> None:
        """Start everything, and fill the shop. Whoever opens closes, also after a failure."""
        self.start_postgres()
        home = self.home
        numbers = iter(free_ports(11))
        table = {name: {purpose: next(numbers) for purpose in kinds} for name, kinds in TABLE.items()}
        self.credentials = Credentials.kept(home / "credentials.json")
        around = Surroundings(
            ports=table,
            secrets=kept_secrets(home / "secrets.json"),
            admin=self.credentials.people["admin"],
            database_urls=self._run(prepare(self.postgres.admin_url, passwords_in(home))),
            redis_url=self._redis_url,
            home=home,
            inherited={name: value for name, value in os.environ.items() if name != "PYTEST_CURRENT_TEST"},
        )
        self.ports = table
        self.specs = {spec.name: _unwatched(spec) for spec in plan(around) if spec.name in SERVICES}
        self._do(migration(around))
        for name in SERVICES:
            self.start(name)
        self.until_ready()
        self._seed()

    @property
    def url(self) -> str:
        """Where the gateway answers."""
        return f"http://127.0.0.1:{self.ports['gateway']['http']}"

    @property
    def sandbox_url(self) -> str:
        return f"http://127.0.0.1:{self.ports['sandbox']['http']}"

    def start(self, name: str, *sabotage: str, **environ: str) -> Child:
        """Start a service, in the place of the one that runs, if any."""
        self.kill(name)
        spec = self.specs[name]
        child = self._nursery.bear(name, spec.argv, {**spec.environ, **environ}, *sabotage)
        self._processes[name] = Running(child, is_usual=not (sabotage or environ))
        return child

    def beside(self, name: str, number: int, *sabotage: str, **environ: str) -> ProcessSpec:
        """Start another replica of a service, on ports of its own; what it is."""
        spec, ports = self.specs[name], free_ports(2)
        own = {"GRPC_PORT": str(ports[0]), "HTTP_PORT": str(ports[1])}
        probe = replace(spec.probe, address=f"127.0.0.1:{ports[0]}")
        replica = replace(
            spec,
            name=f"{name}-{number}",
            environ={**spec.environ, **own, **environ},
            ports={"grpc": ports[0], "http": ports[1]},
            probe=probe,
        )
        child = self._nursery.bear(replica.name, replica.argv, replica.environ, *sabotage)
        self._processes[replica.name] = Running(child, is_usual=False)
        return replica

    def child(self, name: str) -> Child:
        return self._processes[name].child

    def kill(self, name: str, number: signal.Signals = signal.SIGKILL) -> None:
        """End a process and wait until it has."""
        running = self._processes.pop(name, None)
        if running is not None:
            running.child.signal(number)
            assert running.child.wait(READY_SECONDS) is not None, f"{name} outlives {number.name}"

    def kill_postgres(self) -> None:
        """SIGKILL the postmaster: its backends leave with it, nothing is written."""
        assert self.postgres.pid is not None
        os.kill(self.postgres.pid, signal.SIGKILL)
        self._run(self.postgres.wait())

    def start_postgres(self) -> None:
        self._run(self.postgres.start())
        self._watch(self.postgres.pid)  # ended with us, if we are killed

    def cluster(self) -> list[psutil.Process]:
        """Every process of PostgreSQL."""
        top = psutil.Process(self.postgres.pid)
        return [top, *top.children(recursive=True)]

    def is_ready(self, spec: ProcessSpec) -> bool:
        return self._health.read(spec.probe)[READINESS] == SERVING

    def until_ready(self, *specs: ProcessSpec) -> None:
        """Wait until these are ready, or all services."""
        until = time.monotonic() + READY_SECONDS
        for spec in specs or self.specs.values():
            while not self.is_ready(spec):
                assert time.monotonic() < until, f"{spec.name} is not ready: see {self.home}/logs"
                time.sleep(0.02)

    def make_whole(self) -> None:
        """Every service runs as usual, and nothing runs beside it."""
        for name in list(self._processes):
            if name not in self.specs:
                self.kill(name)
        for name in self.specs:
            running = self._processes.get(name)
            if running is None or running.child.code is not None or not running.is_usual:
                self.start(name)
        self.until_ready()

    def close(self) -> None:
        self._nursery.close()
        self._health.close()
        self._run(self.postgres.stop())

    def _do(self, job: Job) -> None:
        code = self._nursery.bear(job.name, job.argv, job.environ).wait(READY_SECONDS)
        assert code == 0, (self.home / "logs" / f"{job.name}.log").read_text()

    def _seed(self) -> None:
        api = Api(f"127.0.0.1:{self.ports['gateway']['http']}")
        Seeding(api, self.credentials).run()
        api.close()


def free_ports(count: int) -> list[int]:
    """Ports of 127.0.0.1 that nobody listened on a moment ago."""
    sockets = [socket.create_server(("127.0.0.1", 0)) for _ in range(count)]
    ports = [opened.getsockname()[1] for opened in sockets]
    for opened in sockets:
        opened.close()
    return ports


def _unwatched(spec: ProcessSpec) -> ProcessSpec:
    """Without monitoring: metrics are read off the process, and nobody waits for a collector."""
    return replace(spec, environ={**spec.environ, "OTEL_EXPORTER_OTLP_ENDPOINT": ""})
