"""What a composition root is handed: everything a service needs, made once, closed in order.

    async def build(kit: Kit[OrdersSettings]) -> None:
        database = kit.postgres()
        payments = kit.channel("payments", kit.settings.payments_target, payments_pb2.DESCRIPTOR)
        kit.add(add_OrdersServiceServicer_to_server, OrdersServicer(...))

Asking for a thing also registers its health check. Nothing connects until it is
used, so a service comes up, NOT_SERVING, while what it needs is still away.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Coroutine, Mapping
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from typing import Any, Generic, TypeVar, cast

import grpc
from google.protobuf.descriptor import FileDescriptor
from grpc_health.v1 import health_pb2, health_pb2_grpc
from opentelemetry.trace import TracerProvider
from redis.asyncio import Redis

from servicekit import redis
from servicekit.channel import open_channel
from servicekit.checks import Check, Probe
from servicekit.clock import Clock, MakeId
from servicekit.errors import PeerUnavailable
from servicekit.health import Health
from servicekit.instruments import Instruments
from servicekit.postgres import Database
from servicekit.schema import OwnSchema
from servicekit.sentry import ErrorReporter
from servicekit.settings import PostgresSettings, RedisSettings, ServiceSettings
from servicekit.tokens import ServiceTokens

S = TypeVar("S", bound=ServiceSettings)
Servicer = TypeVar("Servicer")

Work = Callable[[asyncio.Event], Coroutine[Any, Any, None]]
"""A background loop: returns soon after its event is set."""
KeySet = Callable[[], Awaitable[Mapping[str, Any]]]
"""Answers a JSON Web Key Set."""
PEER_FAILURES = 3
"""Failures in a row until a peer counts as down: one lost probe is not an outage."""


@dataclass(frozen=True)
class Front:
    """An ASGI application, where it is served, and what reads HTTP for it.

    One that `has_metrics` answers `/metrics` itself, in place of the page in a thread of its own.
    """

    app: Any
    host: str
    port: int
    protocol: Any = "httptools"
    has_metrics: bool = False


@dataclass
class Kit(Generic[S]):
    """The parts of one process.

    Attributes:
        name: The service, as peers and people call it.
        settings: Its settings.
        clock: Its time.
        make_id: Makes UUIDv7s.
        instruments: What it counts with, as declared in `observability/telemetry/<name>.yaml`.
        health: Its health names.
        tracers: Where spans are made.
        reporter: Who hears of errors that are our fault.
        service_tokens: Proves to peers who we are.
        lifetime: What must be closed, in the reverse order of its making.
    """

    name: str
    settings: S
    clock: Clock
    make_id: MakeId
    instruments: Instruments
    health: Health
    tracers: TracerProvider
    reporter: ErrorReporter
    service_tokens: ServiceTokens
    lifetime: AsyncExitStack
    servicers: list[Callable[[Any], None]] = field(default_factory=list)
    checks: list[Check] = field(default_factory=list)
    works: list[tuple[str, Work]] = field(default_factory=list)
    front: Front | None = None
    key_set: KeySet | None = None

    def postgres(self, *, required: bool = True) -> Database:
        """This service's database, checked as `postgres`. Asks nothing of the server yet.

        Where the settings ask for it, its schema is brought up to date first.

        Args:
            required: False for a service that serves without it for a while: it stays ready.
        """
        settings = cast("PostgresSettings", self.settings)
        database = Database(settings, self.instruments, self.tracers.get_tracer("tillmesh.postgres"))
        self.lifetime.push_async_callback(database.close)
        probe: Probe = database.ping
        if self.settings.migrate:
            schema = OwnSchema(self.name, settings.database_url.get_secret_value())
            self.work("migrate", schema.run)
            probe = _both(schema.probe, database.ping)
        self.check(Check("postgres", probe, own=required))
        return database

    def redis(self) -> Redis:
        """The shared state, checked as `redis`. Asks nothing of the server yet."""
        client = redis.connect(cast("RedisSettings", self.settings))
        self.lifetime.push_async_callback(client.aclose)

        async def ping() -> None:
            with redis.store_errors():
                await client.ping()

        self.check(Check("redis", ping))
        return client

    def channel(self, peer: str, target: str, *apis: FileDescriptor) -> grpc.aio.Channel:
        """The way to another service, checked as `dependency/<peer>`; never decides readiness.

        Args:
            peer: The service's name.
            target: A gRPC name, such as `127.0.0.1:50053` or `dns:///payments:50053`.
            apis: Its proto files: RPCs that declare themselves repeatable are retried.
        """
        channel = open_channel(
            peer,
            target,
            apis,
            services=self.service_tokens,
            instruments=self.instruments,
            tracers=self.tracers,
        )
        self.lifetime.push_async_callback(channel.close)
        self.check(Check(peer, _answers(channel), own=False, failures_to_go_down=PEER_FAILURES))
        return channel

    def add(self, add_to_server: Callable[[Servicer, Any], None], servicer: Servicer) -> None:
        """Serve these RPCs."""
        self.servicers.append(lambda server: add_to_server(servicer, server))

    def work(self, name: str, run: Work) -> None:
        """Run a background loop from start to drain. One that fails ends the process."""
        self.works.append((name, run))

    def check(self, check: Check) -> None:
        """Watch something that must work."""
        self.checks.append(check)

    def keys(self, source: KeySet) -> None:
        """Verify users' tokens with these keys instead of those that auth publishes."""
        self.key_set = source

    def asgi(self, front: Front) -> None:
        """Serve an ASGI application; for the gateway and monitoring."""
        self.front = front


def _both(first: Probe, second: Probe) -> Probe:
    async def probe() -> None:
        await first()
        await second()

    return probe


def _answers(channel: grpc.aio.Channel) -> Probe:
    """A probe that asks a peer how it is, by the standard protocol."""
    stub = health_pb2_grpc.HealthStub(channel)

    async def probe() -> None:
        try:
            answer = await stub.Check(health_pb2.HealthCheckRequest())
        except grpc.aio.AioRpcError as error:
            raise PeerUnavailable(f"did not answer ({error.code().name})") from None
        if answer.status != health_pb2.HealthCheckResponse.SERVING:
            raise PeerUnavailable("says that it is not serving")

    return probe
