"""Monitoring killed in the middle of ingest: what it had is there again, but the last seconds."""

from __future__ import annotations

import random
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import grpc
import httpx
import pytest
from opentelemetry.proto.collector.metrics.v1 import metrics_service_pb2 as pb
from opentelemetry.proto.collector.metrics.v1 import metrics_service_pb2_grpc as pb_grpc
from opentelemetry.proto.common.v1.common_pb2 import AnyValue, KeyValue
from opentelemetry.proto.metrics.v1 import metrics_pb2 as m
from opentelemetry.proto.resource.v1.resource_pb2 import Resource

from services.monitoring.windows import FolderKeeper, Windows
from tests.services.monitoring.windows.test_store import NOW, kept, labels, push

pytestmark = [pytest.mark.proof, pytest.mark.timeout(900)]

SEED = 20261123
KILLS = 10
KILLS_IN_TORTURE = 100
SERIES = 100
MOST_LOST_MS = 5_000
READY_SECONDS = 30


class Monitoring:
    """One process, and what was pushed to it."""

    def __init__(self, state: str, ports: list[int]) -> None:
        self._grpc, self._http = ports
        self._environ = {
            "GRPC_PORT": str(self._grpc),
            "HTTP_PORT": str(self._http),
            "MESH_KEY": "k" * 32,
            "DATABASE_URL": "postgresql://nobody@127.0.0.1:1/none",
            "AUTH_TARGET": "127.0.0.1:1",
            "STATE_PATH": state,
            "SENDER_SAMPLES_PER_SECOND": "1000000",
        }
        self.tried: dict[int, float] = {}
        self.acknowledged: dict[int, float] = {}
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._http}"

    def start(self) -> None:
        command = [sys.executable, "-m", "services.monitoring"]
        self._process = subprocess.Popen(command, env=self._environ, stderr=subprocess.DEVNULL)
        deadline = time.monotonic() + READY_SECONDS
        while time.monotonic() < deadline:
            try:
                if self.get("/api/v1/status/buildinfo").is_success:
                    return
            except httpx.TransportError:
                time.sleep(0.05)
        raise AssertionError("monitoring did not come up")

    def kill(self) -> None:
        if self._process is not None:
            self._process.send_signal(signal.SIGKILL)
            self._process.wait()
            self._process = None

    def push_some(self, pushes: int) -> None:
        with grpc.insecure_channel(f"127.0.0.1:{self._grpc}") as channel:
            stub = pb_grpc.MetricsServiceStub(channel)  # type: ignore[no-untyped-call]
            for _ in range(pushes):
                self._push(stub)

    def push_for(self, seconds: float) -> int:
        """Push as fast as it goes, then kill it while one more push is on its way; the time of the kill."""
        until = time.monotonic() + seconds
        with grpc.insecure_channel(f"127.0.0.1:{self._grpc}") as channel:
            stub = pb_grpc.MetricsServiceStub(channel)  # type: ignore[no-untyped-call]
            while time.monotonic() < until:
                self._push(stub)
            at_ms = self._next_ms()
            flying = stub.Export.future(self._request(at_ms), timeout=5)
            self.kill()
            flying.cancel()
        return at_ms

    def kept(self) -> dict[int, float]:
        """The samples of one of the series, once all series have been found to have the same."""
        answer = self.get("/api/v1/query", query="count(count_over_time(work_total[30m]))").json()
        assert answer["data"]["result"][0]["value"][1] == str(SERIES)
        found = self.get("/api/v1/query", query='work_total{n="7"}[30m]').json()["data"]["result"]
        return {round(float(at) * 1000): float(value) for at, value in found[0]["values"]}

    def get(self, path: str, **parameters: str) -> httpx.Response:
        return httpx.get(self.url + path, params=parameters, timeout=30, trust_env=False)

    def _push(self, stub: pb_grpc.MetricsServiceStub) -> None:
        at_ms = self._next_ms()
        answer = stub.Export(self._request(at_ms), timeout=10, wait_for_ready=True)
        assert not answer.partial_success.rejected_data_points, answer
        self.acknowledged[at_ms] = self.tried[at_ms]

    def _next_ms(self) -> int:
        at_ms = max(int(time.time() * 1000), max(self.tried, default=0) + 1)
        self.tried[at_ms] = float(len(self.tried))
        return at_ms

    def _request(self, at_ms: int) -> pb.ExportMetricsServiceRequest:
        points = [
            m.NumberDataPoint(
                attributes=[_attribute("n", str(number))],
                time_unix_nano=at_ms * 1_000_000,
                as_double=self.tried[at_ms],
            )
            for number in range(SERIES)
        ]
        cumulative = m.AGGREGATION_TEMPORALITY_CUMULATIVE
        counter = m.Sum(data_points=points, is_monotonic=True, aggregation_temporality=cumulative)
        metrics = [m.Metric(name="work_total", sum=counter)]
        resource = Resource(attributes=[_attribute("service.name", "worker")])
        scope = m.ScopeMetrics(metrics=metrics)
        return pb.ExportMetricsServiceRequest(
            resource_metrics=[m.ResourceMetrics(resource=resource, scope_metrics=[scope])]
        )


def _attribute(name: str, value: str) -> KeyValue:
    return KeyValue(key=name, value=AnyValue(string_value=value))


@pytest.fixture
def start(free_ports: Callable[[int], list[int]]) -> Iterator[Callable[[str], Monitoring]]:
    started: list[Monitoring] = []

    def start(state: str) -> Monitoring:
        started.append(Monitoring(state, free_ports(2)))
        started[-1].start()
        return started[-1]

    yield start
    for each in started:
        each.kill()


def check(monitoring: Monitoring, kills_ms: list[int]) -> list[int]:
    """Nothing that was never sent, nothing changed, nothing lost but just before a kill; the losses in ms."""
    found = monitoring.kept()
    assert found.items() <= monitoring.tried.items()
    lost = sorted(monitoring.acknowledged.keys() - found.keys())
    losses = [
        kill_ms - min([at for at in lost if before < at <= kill_ms], default=kill_ms)
        for before, kill_ms in zip([0, *kills_ms], kills_ms, strict=False)
    ]
    assert max(losses) <= MOST_LOST_MS, f"lost {losses} ms"
    return losses


def test_a_kill_in_the_middle_of_ingest_costs_at_most_five_seconds(
    start: Callable[[str], Monitoring], tmp_path: Path, *, torture: bool
) -> None:
    print(f"seed {SEED}")
    chance = random.Random(SEED)
    monitoring = start(str(tmp_path / "windows"))
    kills_ms: list[int] = []

    for number in range(KILLS_IN_TORTURE if torture else KILLS):
        kills_ms.append(monitoring.push_for(chance.uniform(0.2, 4.0)))
        monitoring.start()
        losses = check(monitoring, kills_ms)
        print(f"kill {number + 1}: lost {losses[-1]} ms of {len(monitoring.acknowledged)} pushes so far")


def test_without_a_folder_the_same_kill_loses_everything(start: Callable[[str], Monitoring]) -> None:
    monitoring = start("")
    kill_ms = monitoring.push_for(7)
    monitoring.start()

    with pytest.raises((AssertionError, IndexError)):
        check(monitoring, [kill_ms])


def test_a_folder_that_is_cut_at_any_byte_gives_back_what_came_before(tmp_path: Path) -> None:
    print(f"seed {SEED}")
    chance = random.Random(SEED)
    windows = Windows()
    keeper = FolderKeeper(windows, tmp_path / "whole")
    for step in range(600):
        push(windows, NOW + step, *((labels(n=str(n)), float(step)) for n in range(20)))
        keeper.keep()
    whole = kept(windows)
    files = sorted(path.name for path in (tmp_path / "whole").iterdir() if path.name != "lock")

    for cut in range(200):
        folder = tmp_path / f"cut{cut}"
        shutil.copytree(tmp_path / "whole", folder)
        torn = folder / files[-1]
        torn.write_bytes(torn.read_bytes()[: chance.randrange(torn.stat().st_size)])
        again = Windows()
        opened = FolderKeeper(again, folder)
        for series, samples in kept(again).items():
            assert samples == whole[series][: len(samples)]
        push(again, NOW + 1_000, (labels(n="0"), 1.0))
        opened.close()
        shutil.rmtree(folder)
