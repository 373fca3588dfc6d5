"""The gateway on a real socket, with fake services behind real gRPC servers."""

from __future__ import annotations

import asyncio
import json
import socket
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import partial
from typing import Any

import grpc
import httpx
from google.protobuf.descriptor import FileDescriptor
from google.protobuf.message import Message
from google.protobuf.message_factory import GetMessageClass
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from typing_extensions import override
from uvicorn.server import ServerState

from gateway.app import Endpoint, Gateway
from gateway.calls import Calls
from gateway.health import add_pages
from gateway.incoming import Limits
from gateway.matching import Paths
from gateway.peers import Peers
from gateway.protocol import BoundedProtocol
from gateway.routes import add_routes, peer_of
from gateway.signals import Signals
from servicekit.channel import open_channel
from servicekit.clock import ManualClock, SystemClock, uuid7
from servicekit.context import Caller, Role
from servicekit.errors import Refusal
from servicekit.front import FrontServer, bound_socket
from servicekit.health import Health
from servicekit.instruments import Instruments
from servicekit.status import code_of, trailers_of
from servicekit.tokens import InvalidToken, KeysUnavailable, ServiceTokens

MESH_KEY = b"k" * 32
TODAY = datetime(2026, 11, 23, tzinfo=UTC)
ALICE = Caller("alice", frozenset({Role.MANAGER}))

Respond = Callable[[Any, Any], Awaitable[Message]]
Stream = Callable[[Any, Any], AsyncIterator[Message]]


class FakeTokens:
    """Knows one token."""

    def __init__(self) -> None:
        self.keys_are_away = False

    def cached(self, token: str) -> Caller | None:
        return None

    async def verify(self, token: str) -> Caller:
        if self.keys_are_away:
            raise KeysUnavailable("The keys that verify tokens cannot be reached.", retry_after_seconds=1)
        if token == "alice":
            return ALICE
        if token == "expired":
            raise InvalidToken("The token has expired.", expired=True)
        raise InvalidToken("The token is malformed or its signature is wrong.")


@dataclass
class Seen:
    """A call that arrived at a service."""

    path: str
    request: Any
    metadata: dict[str, str]
    seconds_left: float | None


@dataclass
class Backend(grpc.GenericRpcHandler):
    """Every RPC of some protos: answers what it was told to, else with an empty message."""

    files: list[FileDescriptor]
    seen: list[Seen] = field(default_factory=list)
    cancelled: asyncio.Event = field(default_factory=asyncio.Event)
    answers: dict[str, Message | Refusal | Respond | Stream] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self._methods = {
            f"/{service.full_name}/{method.name}": method
            for file in self.files
            for service in file.services_by_name.values()
            for method in service.methods
        }

    @override
    def service(self, details: grpc.HandlerCallDetails) -> grpc.RpcMethodHandler[Any, Any] | None:
        method = self._methods.get(details.method)
        if method is None:
            return None
        request, response = GetMessageClass(method.input_type), GetMessageClass(method.output_type)
        types = {
            "request_deserializer": request.FromString,
            "response_serializer": lambda message: message.SerializeToString(),
        }
        if method.server_streaming:
            return grpc.unary_stream_rpc_method_handler(partial(self._stream, details.method), **types)
        return grpc.unary_unary_rpc_method_handler(partial(self._unary, details.method, response), **types)

    async def _unary(self, path: str, response: type[Message], request: Any, context: Any) -> Message:
        self._note(path, request, context)
        answer: Any = self.answers.get(path.rpartition("/")[2], response())
        if isinstance(answer, Refusal):
            await context.abort(code_of(answer), answer.message, trailers_of(answer))
        if isinstance(answer, Message):
            return answer
        try:
            result: Message = await answer(request, context)
        except asyncio.CancelledError:
            self.cancelled.set()
            raise
        return result

    async def _stream(self, path: str, request: Any, context: Any) -> AsyncIterator[Message]:
        self._note(path, request, context)
        answer: Any = self.answers[path.rpartition("/")[2]]
        try:
            async for message in answer(request, context):
                yield message
        except Refusal as refusal:
            await context.abort(code_of(refusal), refusal.message, trailers_of(refusal))
        except (asyncio.CancelledError, GeneratorExit):
            self.cancelled.set()
            raise

    def _note(self, path: str, request: Any, context: Any) -> None:
        metadata = {key: value for key, value in context.invocation_metadata() if isinstance(value, str)}
        self.seen.append(Seen(path, request, metadata, context.time_remaining()))


@dataclass
class House:
    """A gateway and what is around it."""

    app: Gateway
    url: str
    port: int
    client: httpx.AsyncClient
    backend: Backend
    health: Health
    tokens: FakeTokens
    clock: ManualClock
    instruments: Instruments
    spans: InMemorySpanExporter
    reported: list[tuple[Exception, Mapping[str, str]]]

    async def raw(self, sent: bytes) -> tuple[bytes, dict[str, str], Any]:
        """Send bytes, and read until the gateway hangs up: status line, headers, JSON."""
        reader, writer = await asyncio.open_connection("127.0.0.1", self.port)
        try:
            writer.write(sent)
            await writer.drain()
            received = await asyncio.wait_for(reader.read(), 10)
        finally:
            writer.close()
            await writer.wait_closed()
        head, _, body = received.partition(b"\r\n\r\n")
        status, *lines = head.split(b"\r\n")
        headers = {
            name.decode().lower(): value.decode().strip()
            for name, _, value in (line.partition(b":") for line in lines)
        }
        return status, headers, json.loads(body) if body else None


@asynccontextmanager
async def open_house(
    files: list[FileDescriptor],
    limits: Limits | None = None,
    *,
    sample_ratio: float = 0.0,
    trusted: tuple[Any, ...] = (),
) -> AsyncIterator[House]:
    """A gateway for the RPCs of `files`."""
    limits = limits or Limits()
    async with AsyncExitStack() as lifetime:
        backend = Backend(files)
        target = await _serve_backend(backend, lifetime)
        instruments, tracers, spans = (
            Instruments("gateway"),
            TracerProvider(shutdown_on_exit=False),
            InMemorySpanExporter(),
        )
        tracers.add_span_processor(SimpleSpanProcessor(spans))
        lifetime.callback(tracers.shutdown)
        channels = {}
        for peer in {peer_of(file) for file in files if file.services_by_name}:
            services = ServiceTokens("gateway", MESH_KEY, SystemClock())
            channels[peer] = open_channel(
                peer, target, files, services=services, instruments=instruments, tracers=tracers
            )
            lifetime.push_async_callback(channels[peer].close)
        health, tokens, clock = Health(), FakeTokens(), ManualClock(TODAY)
        reported: list[tuple[Exception, Mapping[str, str]]] = []
        signals = Signals(
            instruments.histogram("http_server_request_duration_seconds"),
            tracers.get_tracer("tillmesh.gateway"),
            lambda error, tags: reported.append((error, tags)),
            uuid7,
            sample_ratio=sample_ratio,
            trusted=trusted,
        )
        table: Paths[Endpoint] = Paths()
        add_pages(table, health.snapshot)
        add_routes(table, files)
        app = Gateway(table, Calls(Peers(channels), tokens, limits), signals, clock)
        listening = bound_socket("127.0.0.1", 0)
        port = listening.getsockname()[1]
        await lifetime.enter_async_context(_serving(app, listening, limits))
        client = await lifetime.enter_async_context(
            httpx.AsyncClient(base_url=f"http://127.0.0.1:{port}", timeout=10, verify=False)
        )
        yield House(
            app,
            str(client.base_url),
            port,
            client,
            backend,
            health,
            tokens,
            clock,
            instruments,
            spans,
            reported,
        )


async def _serve_backend(backend: Backend, lifetime: AsyncExitStack) -> str:
    server = grpc.aio.server()
    server.add_generic_rpc_handlers((backend,))
    port = server.add_insecure_port("127.0.0.1:0")
    await server.start()
    lifetime.push_async_callback(server.stop, 0)
    return f"127.0.0.1:{port}"


@asynccontextmanager
async def _serving(app: Gateway, listening: socket.socket, limits: Limits) -> AsyncIterator[None]:
    """As FrontServer serves, without its loop, which only looks up ten times a second."""
    config = FrontServer(app, listening, 1)._server.config
    config.load()
    state = ServerState()
    listening.listen()
    loop = asyncio.get_running_loop()
    server = await loop.create_server(lambda: BoundedProtocol(limits, config, state, {}), sock=listening)
    try:
        yield
    finally:
        server.close()
        for connection in list(state.connections):
            connection.shutdown()
        await asyncio.gather(*state.tasks)
        await server.wait_closed()
