"""One process while it lives: its servers, its checks, its background work, and how they end."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Collection, Coroutine, Iterator
from contextlib import AsyncExitStack, contextmanager
from typing import Any, Generic

import grpc
from google.protobuf import descriptor_pool
from grpc_health.v1 import health_pb2_grpc
from grpc_reflection.v1alpha import reflection

from servicekit.admission import Admission
from servicekit.chain import Chain
from servicekit.checks import Checks
from servicekit.front import FrontServer, bound_socket
from servicekit.health import HealthServicer
from servicekit.kit import Kit, S
from servicekit.logs import logger
from servicekit.methods import OURS, rule_from
from servicekit.metrics_page import MetricsPage
from servicekit.otlp import MetricsPush
from servicekit.published_keys import API, published_keys
from servicekit.tokens import UserTokens
from servicekit.vitals import watch_vitals

log = logger(__name__)

NOTICE_SECONDS = 0.3
"""From NOT_SERVING to the end of listening: peers that watch hear of it in milliseconds."""
LEFTOVER_SECONDS = 1.0
"""For handlers and loops to end by themselves after the grace has passed."""
CANCEL_SECONDS = 0.5
"""For what was cancelled to clean up. 0.3 + 20 + 1 + 2 * 0.5 + 2 (flush) + 0.5 (close) stays under 25 s."""

_SERVER_OPTIONS: list[tuple[str, Any]] = [
    ("grpc.so_reuseport", 0),  # a taken port is an error, not a second server behind it
    ("grpc.http2.min_ping_interval_without_data_ms", 5_000),
    ("grpc.keepalive_permit_without_calls", 1),
]


class CannotStart(Exception):
    """The process cannot begin to serve; the message says why."""


class Process(Generic[S]):
    """The life of one composed service.

    Args:
        kit: Its parts.
        lose: Called with the error when a background loop fails: the process ends.
    """

    def __init__(self, kit: Kit[S], lose: Callable[[BaseException], None]) -> None:
        self._kit = kit
        self._lose = lose
        self._checks = Checks(kit.health, kit.clock)
        self._stop_working = asyncio.Event()
        self._background: list[asyncio.Task[None]] = []
        self._works: list[asyncio.Task[None]] = []

    async def run(self, stop: asyncio.Event) -> None:
        """Serve until `stop` is set, then drain.

        Raises:
            CannotStart: A port is taken.
            PolicyMissing: An RPC says not who may call it.
        """
        kit, settings = self._kit, self._kit.settings
        key_set = kit.key_set or published_keys(kit.channel("auth", settings.auth_target, API))
        users = UserTokens(key_set, kit.clock)
        kit.work("keys", users.keep_keys)
        chain = Chain(
            Admission(users, kit.service_tokens),
            kit.instruments,
            kit.reporter,
            kit.tracers,
            sample_ratio=settings.otel_traces_sampler_arg,
        )
        async with AsyncExitStack() as serving:
            http_port = self._start_metrics(serving)
            server, grpc_port = await self._start_grpc(chain)
            front = self._start_front()
            self._start_background()
            log.info("process_started", grpc_port=grpc_port, http_port=http_port)
            await stop.wait()
            await self._drain(server, chain, front)

    def _start_metrics(self, serving: AsyncExitStack) -> int:
        if self._kit.front is not None and self._kit.front.has_metrics:
            return self._kit.front.port
        host, port = self._kit.settings.http_host, self._kit.settings.http_port
        with _listening_on(host, port):
            page = serving.enter_context(MetricsPage(host, port, self._kit.instruments.registry))
        return page.port

    async def _start_grpc(self, chain: Chain) -> tuple[grpc.aio.Server, int]:
        kit, settings = self._kit, self._kit.settings
        server = grpc.aio.server(interceptors=[chain], options=_SERVER_OPTIONS)
        named = _Named(server)
        for add in kit.servicers:
            add(named)
        for check in kit.checks:
            self._checks.add(check)
        self._checks.publish(named.services)
        _require_policies(named.services)
        health_pb2_grpc.add_HealthServicer_to_server(HealthServicer(kit.health), named)
        reflection.enable_server_reflection((*named.services, reflection.SERVICE_NAME), server)
        host = settings.grpc_host
        with _listening_on(host, settings.grpc_port):
            # Tried first by ourselves: gRPC writes lines of its own about what is wrong.
            bound_socket(host, settings.grpc_port).close()
            port = server.add_insecure_port(f"{f'[{host}]' if ':' in host else host}:{settings.grpc_port}")
        await server.start()
        return server, port

    def _start_front(self) -> FrontServer | None:
        front = self._kit.front
        if front is None:
            return None
        with _listening_on(front.host, front.port):
            listening = bound_socket(front.host, front.port)
        server = FrontServer(front.app, listening, self._kit.settings.drain_seconds, front.protocol)
        self._works.append(self._begin("front", server.run()))
        log.info("front_started", port=listening.getsockname()[1])
        return server

    def _start_background(self) -> None:
        kit = self._kit
        push = MetricsPush(kit.name, kit.settings, kit.instruments, kit.clock)
        self._background += [
            self._begin("checks", self._checks.run()),
            self._begin("vitals", watch_vitals(self._checks, kit.health, kit.instruments, kit.clock)),
            self._begin("metrics push", push.run()),
        ]
        self._works += [self._begin(name, work(self._stop_working)) for name, work in kit.works]

    def _begin(self, name: str, running: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        task = asyncio.create_task(running, name=name)
        task.add_done_callback(self._ended)
        return task

    def _ended(self, task: asyncio.Task[None]) -> None:
        if task.cancelled():
            return
        error = task.exception()
        if error is not None:
            log.error("background_work_failed", work=task.get_name(), exc_info=error)
            self._kit.reporter.report(error, tags={"work": task.get_name()})
            self._lose(error)

    async def _drain(self, server: grpc.aio.Server, chain: Chain, front: FrontServer | None) -> None:
        self._checks.drain()
        await self._kit.clock.sleep(NOTICE_SECONDS)
        self._stop_working.set()
        self._kit.health.close()
        async with asyncio.TaskGroup() as ending:
            ending.create_task(server.stop(self._kit.settings.drain_seconds))
            if front is not None:
                ending.create_task(front.stop())
        await _settle(asyncio.create_task(chain.drained(), name="handlers"), *self._works)
        await _cancel(self._background)


class _Named:
    """A gRPC server that remembers the names of the services it is given.

    Their methods are not registered one by one, though generated code asks for it: grpc.aio waits for the
    next call of every registered method at once, which costs each call 2 us for every method there is.
    """

    def __init__(self, server: grpc.aio.Server) -> None:
        self._server = server
        self.services: list[str] = []

    def add_generic_rpc_handlers(self, handlers: Any) -> None:  # noqa: ANN401 - generated code hands it over
        self._server.add_generic_rpc_handlers(handlers)

    def add_registered_method_handlers(self, service: str, _handlers: Any) -> None:  # noqa: ANN401 - as above
        self.services.append(service)


@contextmanager
def _listening_on(host: str, port: int) -> Iterator[None]:
    """Say which address it was, when the block cannot listen on it."""
    try:
        yield
    except OSError as fault:
        raise CannotStart(f"cannot listen on {host}:{port}: {fault.strerror}") from None


def _require_policies(services: list[str]) -> None:
    pool = descriptor_pool.Default()
    for service in services:
        if service.startswith(OURS):
            for method in pool.FindServiceByName(service).methods:
                rule_from(method)


async def _settle(*tasks: asyncio.Task[None]) -> None:
    """Let tasks end by themselves for a while, then cancel them. Their failures are recorded elsewhere."""
    _, late = await asyncio.wait(tasks, timeout=LEFTOVER_SECONDS)
    for task in late:
        log.warning("work_cancelled", work=task.get_name())
    await _cancel(late)


async def _cancel(tasks: Collection[asyncio.Task[None]]) -> None:
    """Cancel tasks and wait, but not for ever: a library may have swallowed the cancellation."""
    for task in tasks:
        task.cancel()
    if tasks:
        _, deaf = await asyncio.wait(tasks, timeout=CANCEL_SECONDS)
        for task in deaf:
            log.warning("work_left_behind", work=task.get_name())
