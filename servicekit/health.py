"""Health of one process, as `grpc.health.v1` tells it.

Keeps one value and one version for each name. Telling a watcher never happens
under a lock and never holds up `set()`: each watcher catches up by itself, so a
peer that stopped reading can freeze nobody else. Watchers may miss states that
lasted shorter than they took to read; they never miss the last one.
Source: grpc/doc/health-checking.md.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any

import grpc
from grpc_health.v1 import health_pb2, health_pb2_grpc
from typing_extensions import override

SERVER = ""
LIVENESS = "liveness"
READINESS = "readiness"
STARTUP = "startup"


def dependency(name: str) -> str:
    """The health name of something that this process needs."""
    return f"dependency/{name}"


@dataclass(frozen=True, slots=True)
class HealthState:
    """How one name is.

    Attributes:
        serving: True for SERVING.
        reason: Why not, in our own words; empty while serving.
    """

    serving: bool
    reason: str = ""


class Health:
    """The states of all names of this process. Not thread-safe: belongs to the loop."""

    def __init__(self) -> None:
        self._states: dict[str, HealthState] = {}
        self._waiting: set[asyncio.Future[None]] = set()
        self._closed = False

    def set(self, name: str, *, serving: bool, reason: str = "") -> bool:
        """Set a name's state at once, whoever watches. True if it differs from before."""
        state = HealthState(serving, "" if serving else reason)
        before = self._states.get(name)
        if state == before:
            return False
        self._states[name] = state
        if before is None or before.serving != serving:
            self._wake()
        return True

    def state(self, name: str) -> HealthState | None:
        """The state of a name; `None` for a name that nobody set."""
        return self._states.get(name)

    def is_serving(self, name: str) -> bool:
        """True while the name is known and SERVING."""
        state = self._states.get(name)
        return state is not None and state.serving

    def snapshot(self) -> dict[str, HealthState]:
        """All names with their states, at one moment."""
        return dict(self._states)

    async def watch(self, name: str) -> AsyncIterator[HealthState | None]:
        """Yield the state of a name now and after each change, until `close()`; `None` while unknown."""
        seen: bool | None = None
        first = True
        while not self._closed:
            state = self._states.get(name)
            serving = None if state is None else state.serving
            if first or serving != seen:
                first, seen = False, serving
                yield state
                continue  # the value may have moved while the watcher was reading
            await self._changed()

    def close(self) -> None:
        """End every watch, so that a server can stop."""
        self._closed = True
        self._wake()

    async def _changed(self) -> None:
        woken: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting.add(woken)
        try:
            await woken
        finally:
            self._waiting.discard(woken)

    def _wake(self) -> None:
        for woken in self._waiting:
            if not woken.done():
                woken.set_result(None)


class HealthServicer(health_pb2_grpc.HealthServicer):  # type: ignore[misc] # shipped without types
    """`grpc.health.v1` over a `Health`. `Watch` is a generator: it works under any interceptor."""

    def __init__(self, health: Health) -> None:
        self._health = health

    @override
    async def Check(
        self, request: health_pb2.HealthCheckRequest, context: grpc.aio.ServicerContext[Any, Any]
    ) -> health_pb2.HealthCheckResponse:
        """See the protocol: NOT_FOUND for an unknown name."""
        state = self._health.state(request.service)
        if state is None:
            await context.abort(grpc.StatusCode.NOT_FOUND, "no such health name")
        return _response(state)

    @override
    async def Watch(
        self, request: health_pb2.HealthCheckRequest, context: grpc.aio.ServicerContext[Any, Any]
    ) -> AsyncIterator[health_pb2.HealthCheckResponse]:
        """See the protocol: SERVICE_UNKNOWN for an unknown name, and the call stays open."""
        async for state in self._health.watch(request.service):
            yield _response(state)

    @override
    async def List(
        self, request: health_pb2.HealthListRequest, context: grpc.aio.ServicerContext[Any, Any]
    ) -> health_pb2.HealthListResponse:
        """See the protocol."""
        statuses = {name: _response(state) for name, state in self._health.snapshot().items()}
        return health_pb2.HealthListResponse(statuses=statuses)


def _response(state: HealthState | None) -> health_pb2.HealthCheckResponse:
    if state is None:
        return health_pb2.HealthCheckResponse(status=health_pb2.HealthCheckResponse.SERVICE_UNKNOWN)
    serving = health_pb2.HealthCheckResponse.SERVING
    return health_pb2.HealthCheckResponse(
        status=serving if state.serving else health_pb2.HealthCheckResponse.NOT_SERVING
    )
