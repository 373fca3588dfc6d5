"""Watchers against real servers: every answer, and every way of giving none."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field
from typing import Any, Self

import grpc
import pytest
from grpc_health.v1 import health_pb2, health_pb2_grpc
from typing_extensions import override

from servicekit.clock import Clock, ManualClock, SystemClock
from servicekit.health import Health as PublishedHealth
from servicekit.health import HealthServicer
from services.monitoring.clients import PERIOD_SECONDS, GrpcHealth, HttpHealth, source_for
from services.monitoring.config import WatchTarget
from services.monitoring.mesh import (
    Health,
    HealthSource,
    History,
    Mesh,
    MeshView,
    NodeState,
    Signals,
    Transition,
)
from services.monitoring.store.memory import MemoryTransitions
from services.monitoring.workers import MeshWatch

UP, DOWN, UNKNOWN = NodeState.SERVING, NodeState.NOT_SERVING, NodeState.UNKNOWN
SERVING = health_pb2.HealthCheckResponse.SERVING
NOT_SERVING = health_pb2.HealthCheckResponse.NOT_SERVING
SERVICE_UNKNOWN = health_pb2.HealthCheckResponse.SERVICE_UNKNOWN


@dataclass
class ScriptedHealth(health_pb2_grpc.HealthServicer):  # type: ignore[misc] # shipped without types
    """A health service that does as it is told, protocol or not."""

    statuses: dict[str, int] = field(default_factory=lambda: {"": SERVING})
    has_list: bool = True
    has_watch: bool = True
    is_mute: bool = False
    list_failure: grpc.StatusCode | None = None
    flipped: asyncio.Event = field(default_factory=asyncio.Event)
    never: asyncio.Event = field(default_factory=asyncio.Event)

    def set(self, **statuses: int) -> None:
        self.statuses |= {name.replace("whole", ""): status for name, status in statuses.items()}
        self.flipped.set()

    @override
    async def Check(self, request: Any, context: Any) -> Any:
        if request.service not in self.statuses:
            await context.abort(grpc.StatusCode.NOT_FOUND)
        return health_pb2.HealthCheckResponse(status=self.statuses[request.service])

    @override
    async def List(self, request: Any, context: Any) -> Any:
        if self.is_mute:
            await self.never.wait()
        if not self.has_list:
            await context.abort(grpc.StatusCode.UNIMPLEMENTED)
        if self.list_failure is not None:
            await context.abort(self.list_failure, "a library's text")
        answers = {
            name: health_pb2.HealthCheckResponse(status=status) for name, status in self.statuses.items()
        }
        return health_pb2.HealthListResponse(statuses=answers)

    @override
    async def Watch(self, request: Any, context: Any) -> AsyncIterator[Any]:
        if not self.has_watch:
            await context.abort(grpc.StatusCode.UNIMPLEMENTED)
        while True:
            yield health_pb2.HealthCheckResponse(status=self.statuses[request.service])
            await self.flipped.wait()
            self.flipped.clear()


@contextlib.asynccontextmanager
async def serving(servicer: Any, port: int = 0) -> AsyncIterator[str]:
    server = grpc.aio.server(options=[("grpc.so_reuseport", 0)])
    if servicer is not None:
        health_pb2_grpc.add_HealthServicer_to_server(servicer, server)
    bound = server.add_insecure_port(f"127.0.0.1:{port}")
    await server.start()
    yield f"127.0.0.1:{bound}"
    await server.stop(None)


class Ear:
    """Listens to a source in the background until the block ends."""

    def __init__(self, source: HealthSource) -> None:
        self._source = source
        self._heard: asyncio.Queue[Health] = asyncio.Queue()
        self._silence: asyncio.Task[str]

    async def __aenter__(self) -> Self:
        self._silence = asyncio.create_task(self._source.listen(self._heard.put_nowait))
        return self

    async def __aexit__(self, *_: object) -> None:
        self._silence.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await self._silence
        await self._source.aclose()

    async def next(self) -> Health:
        async with asyncio.timeout(5):
            return await self._heard.get()

    async def hears(self, claim: Callable[[Health], bool]) -> Health:
        """The first report of which the claim is true."""
        while True:
            health = await self.next()
            if claim(health):
                return health

    async def silence(self) -> str:
        async with asyncio.timeout(5):
            return await self._silence


def whole(state: NodeState) -> Callable[[Health], bool]:
    return lambda health: health[""] is state


async def asleep(clock: ManualClock, sleepers: int) -> None:
    async with asyncio.timeout(5):
        while clock.sleepers < sleepers:
            await asyncio.sleep(0.001)


@pytest.fixture
def clock() -> ManualClock:
    """Stands still: what is heard under it was not waited for."""
    return ManualClock()


async def test_everything_a_service_publishes_is_heard_at_once(clock: ManualClock) -> None:
    statuses = {"": SERVING, "liveness": SERVING, "dependency/redis": NOT_SERVING, "odd": SERVICE_UNKNOWN}

    async with serving(ScriptedHealth(statuses)) as address, Ear(GrpcHealth(address, clock)) as ear:
        assert await ear.next() == {"": UP, "liveness": UP, "dependency/redis": DOWN, "odd": UNKNOWN}


async def test_the_health_that_servicekit_publishes_is_heard_and_so_are_its_flips(clock: ManualClock) -> None:
    health = PublishedHealth()
    health.set("", serving=True)
    async with serving(HealthServicer(health)) as address, Ear(GrpcHealth(address, clock)) as ear:
        assert await ear.next() == {"": UP}

        health.set("", serving=False)

        assert await ear.hears(whole(DOWN)) == {"": DOWN}
        health.close()


async def test_a_flip_is_heard_without_waiting_for_the_next_poll(clock: ManualClock) -> None:
    servicer = ScriptedHealth()
    async with serving(servicer) as address, Ear(GrpcHealth(address, clock)) as ear:
        await ear.hears(whole(UP))

        servicer.set(whole=NOT_SERVING)
        await ear.hears(whole(DOWN))
        servicer.set(whole=SERVING)
        await ear.hears(whole(UP))


@pytest.mark.parametrize("has_watch", [True, False])
async def test_a_dependency_that_flips_alone_is_heard_with_the_next_poll(
    clock: ManualClock,
    has_watch: bool,
) -> None:
    servicer = ScriptedHealth({"": SERVING, "dependency/stripe": SERVING}, has_watch=has_watch)
    async with serving(servicer) as address, Ear(GrpcHealth(address, clock)) as ear:
        await ear.next()
        servicer.statuses["dependency/stripe"] = NOT_SERVING

        await asleep(clock, 1)
        clock.advance(PERIOD_SECONDS)

        await ear.hears(lambda health: health["dependency/stripe"] is DOWN)


async def test_a_service_without_list_is_asked_name_by_name(clock: ManualClock) -> None:
    servicer = ScriptedHealth({"": SERVING, "readiness": NOT_SERVING, "mine": SERVING}, has_list=False)

    async with serving(servicer) as address, Ear(GrpcHealth(address, clock)) as ear:
        assert await ear.next() == {"": UP, "readiness": DOWN}


async def test_a_service_that_publishes_nothing_says_nothing(clock: ManualClock) -> None:
    servicer = ScriptedHealth({}, has_watch=False)

    async with serving(servicer) as address, Ear(GrpcHealth(address, clock)) as ear:
        assert await ear.next() == {}


async def test_a_service_that_vanishes_is_silent_at_once(clock: ManualClock) -> None:
    async with contextlib.AsyncExitStack() as running:
        address = await running.enter_async_context(serving(ScriptedHealth()))
        async with Ear(GrpcHealth(address, clock)) as ear:
            await ear.hears(whole(UP))

            await running.aclose()

            assert await ear.silence() == "cannot be reached"


async def test_where_nobody_listens_nothing_is_heard(
    clock: ManualClock, free_ports: Callable[[int], list[int]]
) -> None:
    async with Ear(GrpcHealth(f"127.0.0.1:{free_ports(1)[0]}", clock)) as ear:
        assert await ear.silence() == "cannot be reached"


async def test_a_service_that_accepts_and_never_answers_is_silent_after_the_deadline(
    clock: ManualClock,
) -> None:
    servicer = ScriptedHealth(is_mute=True)
    async with serving(servicer) as address, Ear(GrpcHealth(address, clock, deadline_seconds=0.1)) as ear:
        assert await ear.silence() == "did not answer within 0.1 s"


async def test_a_server_without_the_protocol_says_so(clock: ManualClock) -> None:
    async with serving(None) as address, Ear(GrpcHealth(address, clock)) as ear:
        assert await ear.silence() == "does not speak grpc.health.v1"


async def test_a_failure_is_told_by_its_code_and_without_the_servers_text(clock: ManualClock) -> None:
    servicer = ScriptedHealth(list_failure=grpc.StatusCode.INTERNAL)

    async with serving(servicer) as address, Ear(GrpcHealth(address, clock)) as ear:
        assert await ear.silence() == "answered INTERNAL when asked for its health"


async def test_a_service_that_publishes_names_without_end_is_not_listened_to(clock: ManualClock) -> None:
    servicer = ScriptedHealth(
        {"": SERVING} | {f"dependency/{number:050}": SERVING for number in range(2_000)}
    )

    async with serving(servicer) as address, Ear(GrpcHealth(address, clock)) as ear:
        assert await ear.silence() == "answered RESOURCE_EXHAUSTED when asked for its health"


@contextlib.asynccontextmanager
async def page(*answers: int | None, body: str = "") -> AsyncIterator[str]:
    """An HTTP server that gives these answers in turn; `None` for none at all."""
    left = list(answers)
    never = asyncio.Event()

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.closing(writer):
            await reader.readuntil(b"\r\n\r\n")
            code = left.pop(0)
            if code is None:
                await never.wait()
            head = f"HTTP/1.1 {code} Any\r\nContent-Length: {len(body)}\r\nConnection: close\r\n\r\n"
            writer.write((head + body).encode())
            await writer.drain()

    server = await asyncio.start_server(answer, "127.0.0.1", 0)
    async with server:
        yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/health"
        never.set()


PAGES = {
    "no body": ("", {}),
    "no JSON": ("<html>", {}),
    "no object": ("[1]", {}),
    "no checks": ('{"status": "pass"}', {}),
    "checks that are no object": ('{"checks": []}', {}),
    "JSON without end": ("[" * 100_000, {}),
    "checks that pass, warn and fail": (
        '{"checks": {"a": [{"status": "pass"}], "b": [{"status": "warn"}], "c": [{"status": "fail"}]}}',
        {"a": UP, "b": UP, "c": DOWN},
    ),
    "one part of a check fails": (
        '{"checks": {"a": [{"status": "pass"}, {"status": "fail"}]}}',
        {"a": DOWN},
    ),
    "checks that say nothing": (
        '{"checks": {"a": [], "b": [7], "c": [{}], "d": "pass", "e": [{"status": []}]}}',
        dict.fromkeys("abcde", UNKNOWN),
    ),
    "checks that contradict the answer": ('{"checks": {"": [{"status": "fail"}]}}', {}),
}


@pytest.mark.parametrize(("body", "checks"), PAGES.values(), ids=PAGES)
async def test_the_checks_of_a_page_are_heard_whatever_its_body(
    clock: ManualClock, body: str, checks: dict[str, NodeState]
) -> None:
    async with page(200, body=body) as url, Ear(HttpHealth(url, clock)) as ear:
        assert await ear.next() == {"": UP} | checks


async def test_a_page_is_asked_each_second_and_200_is_serving_and_503_is_not(clock: ManualClock) -> None:
    async with page(200, 503, 404) as url, Ear(HttpHealth(url, clock)) as ear:
        assert await ear.next() == {"": UP}
        await asleep(clock, 1)
        clock.advance(PERIOD_SECONDS)
        assert await ear.next() == {"": DOWN}
        await asleep(clock, 1)
        clock.advance(PERIOD_SECONDS)

        assert await ear.silence() == "answered HTTP 404 when asked for its health"


async def test_a_page_that_never_comes_is_silence(clock: ManualClock) -> None:
    async with page(None) as url, Ear(HttpHealth(url, clock, deadline_seconds=0.1)) as ear:
        assert await ear.silence() == "did not answer within 0.1 s"


async def test_a_page_that_nobody_serves_is_silence(
    clock: ManualClock, free_ports: Callable[[int], list[int]]
) -> None:
    async with Ear(HttpHealth(f"http://127.0.0.1:{free_ports(1)[0]}/", clock)) as ear:
        assert await ear.silence() == "cannot be reached"


async def test_an_address_says_how_it_is_heard(clock: ManualClock) -> None:
    by_http = source_for(WatchTarget("gateway", "http://127.0.0.1:1/health/ready"), clock)
    by_grpc = source_for(WatchTarget("auth", "127.0.0.1:1"), clock)

    assert isinstance(by_http, HttpHealth)
    assert isinstance(by_grpc, GrpcHealth)
    for source in (by_http, by_grpc):
        await source.aclose()


class Changes(Signals):
    """Lets a test wait for the mesh to become as it claims."""

    def __init__(self) -> None:
        self._changed = asyncio.Event()

    @override
    def node_changed(self, transition: Transition, reason: str) -> None: ...

    @override
    def transition_lost(self, transition: Transition) -> None: ...

    @override
    def mesh_changed(self, mesh: Mesh) -> None:
        self._changed.set()

    async def until(self, claim: Callable[[], bool]) -> None:
        async with asyncio.timeout(10):
            while not claim():
                self._changed.clear()
                await self._changed.wait()


def watched(clock: Clock, changes: Changes, **addresses: str) -> tuple[MeshView, MeshWatch]:
    view = MeshView(addresses, clock, History(MemoryTransitions(), changes), changes)
    sources = {name: source_for(WatchTarget(name, address), clock) for name, address in addresses.items()}
    return view, MeshWatch(sources, view, clock)


def state(view: MeshView, name: str) -> NodeState:
    return next(node.state for node in view.now().nodes if node.name == name)


async def test_a_service_that_comes_back_on_its_address_is_heard_again() -> None:
    changes, stop = Changes(), asyncio.Event()
    async with contextlib.AsyncExitStack() as first, asyncio.TaskGroup() as running:
        address = await first.enter_async_context(serving(ScriptedHealth()))
        view, watch = watched(SystemClock(), changes, orders=address)
        running.create_task(watch.run(stop))
        await changes.until(lambda: state(view, "orders") is UP)

        await first.aclose()
        await changes.until(lambda: state(view, "orders") is UNKNOWN)
        async with serving(ScriptedHealth(), int(address.rpartition(":")[2])):
            await changes.until(lambda: state(view, "orders") is UP)
            stop.set()


async def test_one_mute_service_holds_up_no_other() -> None:
    changes, stop = Changes(), asyncio.Event()
    mute = ScriptedHealth(is_mute=True)
    async with serving(mute) as silent, serving(ScriptedHealth()) as talking, asyncio.TaskGroup() as running:
        view, watch = watched(ManualClock(), changes, orders=silent, auth=talking)
        running.create_task(watch.run(stop))

        await changes.until(lambda: state(view, "auth") is UP)

        assert state(view, "orders") is UNKNOWN
        stop.set()


async def test_the_pause_between_tries_grows_to_its_bound_and_shrinks_when_something_is_heard() -> None:
    clock, stop = PausesSeen(), asyncio.Event()
    heard = [False] * 5 + [True] + [False]
    async with asyncio.timeout(5), asyncio.TaskGroup() as running:
        view = MeshView(["orders"], clock, History(MemoryTransitions(), Changes()), Changes())
        running.create_task(MeshWatch({"orders": ScriptedSource(heard, stop)}, view, clock).run(stop))

    assert clock.pauses == [0.25, 0.5, 1.0, 2.0, 2.0, 0.25, 0.5]


class PausesSeen(ManualClock):
    """A clock on which nobody waits, and which tells how long they would have."""

    def __init__(self) -> None:
        super().__init__()
        self.pauses: list[float] = []

    @override
    async def sleep(self, seconds: float) -> None:
        self.pauses.append(seconds)


class ScriptedSource(HealthSource):
    """Is heard or not, in turn, and stops the test at the end."""

    def __init__(self, heard: list[bool], stop: asyncio.Event) -> None:
        self._heard = heard
        self._stop = stop

    @override
    async def listen(self, hear: Callable[[Health], None]) -> str:
        if not self._heard:
            self._stop.set()
            await asyncio.Event().wait()
        if self._heard.pop(0):
            hear({"": UP})
        return "cannot be reached"

    @override
    async def aclose(self) -> None: ...
