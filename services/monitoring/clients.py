"""Services that are watched, behind the port of the mesh: by gRPC's health protocol, or by HTTP.

Not over servicekit's channel: that one refuses to call who is NOT_SERVING, and those
are the ones we must hear.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import grpc
import httpx
from grpc_health.v1 import health_pb2, health_pb2_grpc
from typing_extensions import override

from servicekit.clock import Clock
from services.monitoring.config import WatchTarget
from services.monitoring.mesh import SERVER, Health, HealthSource, NodeState
from services.monitoring.wire import mesh as mesh_wire

PERIOD_SECONDS = 1.0
DEADLINE_SECONDS = 2.0
"""On one question: who takes longer cannot be heard."""

_LISTED_BY_HAND = (SERVER, "liveness", "readiness", "startup")
"""What is asked for one by one where `List` (2024) is not implemented. What it needs stays hidden."""

_CHANNEL_OPTIONS: list[tuple[str, Any]] = [
    # A service that comes back is heard within a second; gRPC's own bound is two minutes.
    ("grpc.initial_reconnect_backoff_ms", 100),
    ("grpc.min_reconnect_backoff_ms", 100),
    ("grpc.max_reconnect_backoff_ms", 1_000),
    # A service publishes some twenty names: whoever answers with this many is not one of ours.
    ("grpc.max_receive_message_length", 64 * 1024),
    # No shared connection: closing ours must not depend on who else watches the address.
    ("grpc.use_local_subchannel_pool", 1),
]


def source_for(target: WatchTarget, clock: Clock) -> HealthSource:
    """How this target is heard. Connects to nothing yet."""
    if target.is_http:
        return HttpHealth(target.address, clock)
    return GrpcHealth(target.address, clock)


class GrpcHealth(HealthSource):
    """`grpc.health.v1`: `List` each second, and at once when `Watch` says that something changed."""

    def __init__(self, address: str, clock: Clock, *, deadline_seconds: float = DEADLINE_SECONDS) -> None:
        self._channel = grpc.aio.insecure_channel(address, options=_CHANNEL_OPTIONS)
        self._stub = health_pb2_grpc.HealthStub(self._channel)
        self._clock = clock
        self._deadline_seconds = deadline_seconds
        self._due = asyncio.Event()

    @override
    async def listen(self, hear: Callable[[Health], None]) -> str:
        async with asyncio.TaskGroup() as prompting:
            prompters = [prompting.create_task(self._tick()), prompting.create_task(self._watch())]
            try:
                return await self._poll(hear)
            finally:
                for prompter in prompters:
                    prompter.cancel()

    @override
    async def aclose(self) -> None:
        await self._channel.close()

    async def _poll(self, hear: Callable[[Health], None]) -> str:
        while True:
            self._due.clear()
            try:
                health = await self._ask()
            except grpc.aio.AioRpcError as error:
                return self._why(error.code())
            hear(health)
            await self._due.wait()

    async def _tick(self) -> None:
        while True:
            await self._clock.sleep(PERIOD_SECONDS)
            self._due.set()

    async def _watch(self) -> None:
        """Ask anew whenever the service as a whole flips. Where Watch fails, the ticks go on alone."""
        while True:
            call = self._stub.Watch(health_pb2.HealthCheckRequest(service=SERVER))
            try:
                async for _ in call:
                    self._due.set()
            except grpc.aio.AioRpcError as error:
                if error.code() is grpc.StatusCode.UNIMPLEMENTED:
                    return
            finally:
                call.cancel()  # an abandoned call is never collected
            self._due.set()  # a stream that ended is news: the service may be gone
            await self._clock.sleep(PERIOD_SECONDS)

    async def _ask(self) -> Health:
        try:
            answer = await self._stub.List(health_pb2.HealthListRequest(), timeout=self._deadline_seconds)
        except grpc.aio.AioRpcError as error:
            if error.code() is not grpc.StatusCode.UNIMPLEMENTED:
                raise
            return await self._ask_one_by_one()
        return mesh_wire.health(answer)

    async def _ask_one_by_one(self) -> Health:
        health: dict[str, NodeState] = {}
        for name in _LISTED_BY_HAND:
            request = health_pb2.HealthCheckRequest(service=name)
            try:
                answer = await self._stub.Check(request, timeout=self._deadline_seconds)
            except grpc.aio.AioRpcError as error:
                if error.code() is not grpc.StatusCode.NOT_FOUND:
                    raise
            else:
                health[name] = mesh_wire.state(answer)
        return health

    def _why(self, code: grpc.StatusCode) -> str:
        if code is grpc.StatusCode.UNAVAILABLE:
            return "cannot be reached"
        if code is grpc.StatusCode.DEADLINE_EXCEEDED:
            return f"did not answer within {self._deadline_seconds:g} s"
        if code is grpc.StatusCode.UNIMPLEMENTED:
            return "does not speak grpc.health.v1"
        return f"answered {code.name} when asked for its health"


class HttpHealth(HealthSource):
    """A page that answers 200 while its server serves and 503 while it does not, asked each second."""

    def __init__(self, url: str, clock: Clock, *, deadline_seconds: float = DEADLINE_SECONDS) -> None:
        self._url = url
        self._clock = clock
        self._deadline_seconds = deadline_seconds
        self._client = httpx.AsyncClient(trust_env=False)

    @override
    async def listen(self, hear: Callable[[Health], None]) -> str:
        while True:
            try:
                async with asyncio.timeout(self._deadline_seconds):
                    answer = await self._client.get(self._url)
            except (TimeoutError, httpx.TimeoutException):
                return f"did not answer within {self._deadline_seconds:g} s"
            except httpx.HTTPError:
                return "cannot be reached"
            if answer.status_code not in _PAGE_STATES:
                return f"answered HTTP {answer.status_code} when asked for its health"
            hear(mesh_wire.health_of_page(_PAGE_STATES[answer.status_code], answer.content))
            await self._clock.sleep(PERIOD_SECONDS)

    @override
    async def aclose(self) -> None:
        await self._client.aclose()


_PAGE_STATES = {
    200: NodeState.SERVING,
    503: NodeState.NOT_SERVING,
}
