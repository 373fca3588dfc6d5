"""The life of a process, from outside: real ones, told by signals, heard by their log and their exit code."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import socket
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager
from pathlib import Path
from typing import Any

import asyncpg
import grpc
import httpx
import pytest
from grpc_health.v1 import health_pb2, health_pb2_grpc

from launcher.databases import EmbeddedPostgres
from tests.servicekit.lab import SERVICE, LabStub, open_house

START_SECONDS = 20
NAMES = {"", "liveness", "readiness", "startup", "dependency/auth", SERVICE}


class Child:
    """One process of the small service."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self._process = process
        self.lines: list[str] = []
        self.channel: Any = None
        self.stub: Any = None
        self.ports: dict[str, int] = {}
        self._more = asyncio.Condition()
        self._reading = asyncio.create_task(self._read())

    async def _read(self) -> None:
        assert self._process.stderr is not None
        async for line in self._process.stderr:
            async with self._more:
                self.lines.append(line.decode().rstrip())
                self._more.notify_all()

    @property
    def events(self) -> list[dict[str, Any]]:
        return [json.loads(line) for line in self.lines if line.startswith("{")]

    def of(self, event: str, **fields: Any) -> list[dict[str, Any]]:
        return [each for each in self.events if each["event"] == event and each.items() >= fields.items()]

    async def logged(self, event: str, **fields: Any) -> dict[str, Any]:
        """Wait until the process has logged this."""
        async with asyncio.timeout(START_SECONDS), self._more:
            await self._more.wait_for(lambda: self.of(event, **fields))
        return self.of(event, **fields)[-1]

    async def serve(self) -> None:
        self.ports = await self.logged("process_started")
        self.channel = grpc.aio.insecure_channel(f"127.0.0.1:{self.ports['grpc_port']}")
        self.stub = LabStub(self.channel)

    def signal(self, number: signal.Signals = signal.SIGTERM) -> float:
        self._process.send_signal(number)
        return time.monotonic()

    async def ended(self, seconds: float = 25) -> int:
        """The exit code, within the time that a process has."""
        code = await asyncio.wait_for(self._process.wait(), seconds)
        await self._reading
        return code

    async def health(self) -> dict[str, bool]:
        answer = await health_pb2_grpc.HealthStub(self.channel).List(health_pb2.HealthListRequest())
        serving = health_pb2.HealthCheckResponse.SERVING
        return {name: each.status == serving for name, each in answer.statuses.items()}

    async def is_serving(self, name: str = "readiness") -> bool:
        return (await self.health())[name]

    async def close(self) -> None:
        if self._process.returncode is None:
            self._process.kill()
        await self._process.wait()
        await self._reading
        if self.channel is not None:
            await self.channel.close()


@asynccontextmanager
async def child(**environ: str) -> AsyncIterator[Child]:
    given = {"GRPC_PORT": "0", "HTTP_PORT": "0", "MESH_KEY": "m" * 32, "AUTH_TARGET": "127.0.0.1:1"}
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "tests.servicekit.small",
        env={"PATH": os.environ["PATH"], **given, **environ},
        stderr=asyncio.subprocess.PIPE,
    )
    child = Child(process)
    try:
        yield child
    finally:
        await child.close()


@asynccontextmanager
async def serving(**environ: str) -> AsyncIterator[Child]:
    async with child(**environ) as started:
        await started.serve()
        yield started


async def eventually(holds: Callable[[], Any], seconds: float = 10) -> None:
    async with asyncio.timeout(seconds):
        while not await holds():
            await asyncio.sleep(0.05)


@contextmanager
def taken_port() -> Iterator[int]:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        yield taken.getsockname()[1]


# Start


async def test_bad_settings_are_all_told_at_once_without_their_secrets() -> None:
    wrong = {"GRPC_PORT": "many", "HTTP_PORT": "70000", "MESH_KEY": "hunter2", "DRAIN_SECONDS": "-1"}
    async with child(STORED="1", DATABASE_URL="", **wrong) as process:
        code = await process.ended()

    told = "\n".join(process.lines)
    assert code == 2
    assert all(f"{name}: " in told for name in (*wrong, "DATABASE_URL"))
    assert "hunter2" not in told
    assert len(process.lines) == 1 + 5


async def test_a_taken_port_is_one_clear_line() -> None:
    variables = ("GRPC_PORT", "HTTP_PORT", "FRONT_PORT")
    with taken_port() as port:
        ended = await asyncio.gather(*(start_on(port, variable) for variable in variables))

    for code, lines in ended:
        (line,) = lines
        assert code == 1
        assert json.loads(line)["event"] == "start_failed"
        assert json.loads(line)["reason"] == f"cannot listen on 127.0.0.1:{port}: Address already in use"


async def start_on(port: int, variable: str) -> tuple[int, list[str]]:
    async with child(FAULT="front", **{variable: str(port)}) as process:
        return await process.ended(), process.lines


async def test_an_error_in_the_composition_ends_the_process_with_one_record() -> None:
    async with child(FAULT="build") as process:
        code = await process.ended()

    (record,) = [each for each in process.events if each["level"] == "error"]
    assert code == 70
    assert (record["event"], record["error_type"]) == ("process_lost", "RuntimeError")


async def test_a_process_tells_its_health_its_apis_and_its_metrics() -> None:
    async with serving() as process:
        await eventually(process.is_serving)
        await process.stub.Open("hello")
        health = await process.health()
        async with httpx.AsyncClient(trust_env=False) as http:
            page = (await http.get(f"http://127.0.0.1:{process.ports['http_port']}/metrics")).text

    assert health == dict.fromkeys(NAMES, True) | {"dependency/auth": False}
    assert "rpc_server_duration_seconds_count{" in page
    assert 'crashes_total{source="main"} 0.0' in page


# Stop


async def test_a_stop_lets_calls_end_and_sends_new_ones_elsewhere() -> None:
    async with serving() as process, open_house(name="lab") as other, AsyncExitStack() as lifetime:
        both = f"ipv4:127.0.0.1:{process.ports['grpc_port']},{other.target}"
        channel = await lifetime.enter_async_context(other.channel("lab", both))
        running = asyncio.ensure_future(process.stub.Once("sleep 1.2"))
        await eventually(process.is_serving)

        stopped_at = process.signal()
        new = [await LabStub(channel).Once(f"{number}") for number in range(20) if await paused(0.05)]
        code = await process.ended()

    assert await running == "sleep 1.2"
    assert len(new) == 20
    assert len(other.lab.seen) >= 10
    assert code == 0
    assert time.monotonic() - stopped_at < 10
    assert [each["event"] for each in process.events if "stop" in each["event"]] == [
        "stop_asked",
        "process_stopped",
    ]


async def paused(seconds: float) -> bool:
    await asyncio.sleep(seconds)
    return True


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
async def test_a_second_signal_ends_the_process_at_once(number: signal.Signals) -> None:
    async with serving() as process:
        running = asyncio.ensure_future(process.stub.Once("sleep 30"))
        await asyncio.sleep(0.1)
        process.signal()
        await process.logged("stop_asked")

        told_at = process.signal(number)
        code = await process.ended(5)
        seconds = time.monotonic() - told_at
        with pytest.raises(grpc.aio.AioRpcError):
            await running

    assert code == 128 + number
    assert seconds < 2


@contextmanager
def silent_collector() -> Iterator[str]:
    """Takes connections and says nothing."""
    with socket.create_server(("127.0.0.1", 0)) as listening:
        yield f"127.0.0.1:{listening.getsockname()[1]}"


async def test_nothing_that_is_deaf_holds_up_the_end() -> None:
    with silent_collector() as collector:
        async with serving(
            FAULT="deaf loop",
            DRAIN_SECONDS="0.5",
            OTEL_TRACES_SAMPLER_ARG="1",
            OTEL_EXPORTER_OTLP_ENDPOINT=collector,
            OTEL_EXPORTER_OTLP_TRACES_ENDPOINT=collector,
        ) as process:
            await process.stub.Open("hello")
            running = asyncio.ensure_future(process.stub.Once("deaf 30"))
            await asyncio.sleep(0.1)

            told_at = process.signal()
            code = await process.ended()
            seconds = time.monotonic() - told_at

    running.cancel()
    assert code == 0
    assert seconds - 0.5 < 5  # with the 20 s of a real drain: under 25 s


# Loss


async def test_a_background_loop_that_fails_ends_the_process_with_one_record() -> None:
    async with serving(FAULT="loop") as process:
        code = await process.ended()

    (record,) = [each for each in process.events if each["level"] == "error"]
    assert code == 70
    assert (record["event"], record["work"]) == ("background_work_failed", "shelf")
    assert record["error_type"] == "ZeroDivisionError"
    assert process.of("process_stopped", lost=True)


async def test_a_first_signal_does_not_cut_short_the_drain_of_a_lost_process() -> None:
    async with serving(FAULT="loop") as process:
        running = asyncio.ensure_future(process.stub.Once("sleep 1.5"))
        await process.logged("background_work_failed")

        process.signal()
        code = await process.ended()

    assert await running == "sleep 1.5"
    assert code == 70


# What it needs


@pytest.fixture
def folder() -> Iterator[Path]:
    with tempfile.TemporaryDirectory(prefix="tillmesh-") as name:
        Path(name).chmod(0o711)  # run by root, PostgreSQL is another user
        yield Path(name)


@pytest.fixture
async def stopped(folder: Path) -> AsyncIterator[tuple[EmbeddedPostgres, str]]:
    """A server of this test's own, not running yet; its URL is known."""
    server = EmbeddedPostgres(folder)
    await server.start()
    url = server.admin_url
    await server.stop()
    yield server, url
    if server.pid is not None:
        await server.stop()


async def test_a_process_lives_without_its_database_and_serves_with_it(
    stopped: tuple[EmbeddedPostgres, str],
) -> None:
    postgres, url = stopped
    async with serving(STORED="1", DATABASE_URL=url) as process:
        waiting = await process.logged("check_failed", check="postgres")
        before = await process.health()

        await postgres.start()
        await eventually(process.is_serving)
        await postgres.stop()
        await eventually(lambda: is_unready(process))
        during = await process.health()
        await postgres.start()
        await eventually(process.is_serving)
        after = await process.health()

        process.signal()
        code = await process.ended()

    assert waiting["reason"] == "the database is not reachable"
    own = {"", "readiness", SERVICE, "dependency/postgres"}
    assert {name for name in own if before[name] or during[name]} == set()
    assert all(after[name] for name in own)
    assert (before["startup"], during["startup"]) == (False, True)
    assert before["liveness"]
    assert during["liveness"]
    assert code == 0


async def is_unready(process: Child) -> bool:
    return not await process.is_serving()


async def test_a_process_brings_its_schema_up_to_date_before_it_serves(
    make_database: Callable[[str | None], str],
) -> None:
    url = make_database(None)
    async with serving(SERVICE="orders", STORED="1", MIGRATE="true", DATABASE_URL=url) as process:
        before = await process.health()
        await eventually(process.is_serving)
        connection = await asyncpg.connect(url)
        tables = await connection.fetchval("SELECT count(*) FROM pg_tables WHERE tablename = 'orders'")
        await connection.close()

    assert not before["readiness"]
    assert tables == 1


async def test_a_request_over_http_may_end_after_a_stop() -> None:
    with taken_port() as port:
        pass
    async with (
        serving(FAULT="front", FRONT_PORT=str(port)) as process,
        httpx.AsyncClient(trust_env=False) as http,
    ):
        running = asyncio.ensure_future(http.get(f"http://127.0.0.1:{port}/2", timeout=10))
        await asyncio.sleep(0.2)

        process.signal()
        answer = await running
        code = await process.ended()

    assert (answer.status_code, answer.text, code) == (200, "ok", 0)
