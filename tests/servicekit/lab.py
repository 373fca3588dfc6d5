"""An API with every policy there is, a servicer that does as it is told, and a house that serves it."""

from __future__ import annotations

import base64
import json
import logging
import time
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Iterator, Mapping, Sequence
from contextlib import AsyncExitStack, aclosing, asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import grpc
import jwt
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from google.protobuf import descriptor_pb2, descriptor_pool, wrappers_pb2
from google.protobuf.descriptor_pb2 import MethodOptions
from google.protobuf.wrappers_pb2 import StringValue
from grpc_health.v1 import health_pb2_grpc
from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from pydantic import SecretStr
from tillmesh.options.v1 import options_pb2
from typing_extensions import override

from servicekit.admission import Admission
from servicekit.chain import Chain
from servicekit.channel import open_channel
from servicekit.clock import SystemClock
from servicekit.context import RequestContext, current
from servicekit.health import Health, HealthServicer
from servicekit.instruments import Instruments
from servicekit.logs import JsonLines
from servicekit.sentry import ErrorReporter
from servicekit.settings import ServiceSettings
from servicekit.status import RemoteRefusal, refusal_of
from servicekit.tokens import ServiceTokens, UserTokens
from servicekit.tracing import Tracing

MESH_KEY = b"m" * 32
SERVICE = "tillmesh.lab.v1.LabService"
POLICY = options_pb2.Policy


def _rpc(
    name: str,
    policy: options_pb2.Policy,
    *,
    level: MethodOptions.IdempotencyLevel.ValueType = MethodOptions.NO_SIDE_EFFECTS,
    key: bool = False,
    planned: str = "",
    deadline_ms: int = 0,
    streams: tuple[bool, bool] = (False, False),
) -> descriptor_pb2.MethodDescriptorProto:
    options = MethodOptions(idempotency_level=level)
    options.Extensions[options_pb2.policy].CopyFrom(policy)
    options.Extensions[options_pb2.planned] = planned
    options.Extensions[options_pb2.default_deadline_ms] = deadline_ms
    if key:
        options.Extensions[options_pb2.idempotency_key] = options_pb2.IDEMPOTENCY_KEY_REQUIRED
    return descriptor_pb2.MethodDescriptorProto(
        name=name,
        input_type=".google.protobuf.StringValue",
        output_type=".google.protobuf.StringValue",
        options=options,
        client_streaming=streams[0],
        server_streaming=streams[1],
    )


_MANAGERS = POLICY(roles=[options_pb2.ROLE_MANAGER, options_pb2.ROLE_ENGINEER])
_PUBLIC = POLICY(public=True)
_RPCS = [
    _rpc("Open", _PUBLIC),
    _rpc("Once", _PUBLIC, level=MethodOptions.IDEMPOTENCY_UNKNOWN),
    _rpc("Brief", _PUBLIC, deadline_ms=150),
    _rpc("Raw", _PUBLIC),
    _rpc("Inside", POLICY(internal=True)),
    _rpc("SignedIn", POLICY(signed_in=True)),
    _rpc("Managed", _MANAGERS),
    _rpc("Keyed", POLICY(signed_in=True), key=True, level=MethodOptions.IDEMPOTENCY_UNKNOWN),
    _rpc("Flying", _MANAGERS, planned="S99 flying tills"),
    _rpc("Stream", _PUBLIC, streams=(False, True)),
    _rpc("Ticker", _PUBLIC, deadline_ms=400, streams=(False, True)),
    _rpc("Locked", POLICY(signed_in=True), streams=(False, True)),
    _rpc("Gather", _PUBLIC, streams=(True, False)),
    _rpc("Chat", _PUBLIC, streams=(True, True)),
]


def _file() -> Any:
    service = descriptor_pb2.ServiceDescriptorProto(name="LabService", method=_RPCS)
    proto = descriptor_pb2.FileDescriptorProto(
        name="tests/servicekit/lab.proto",
        package="tillmesh.lab.v1",
        syntax="proto3",
        dependency=[wrappers_pb2.DESCRIPTOR.name, options_pb2.DESCRIPTOR.name],
        service=[service],
    )
    pool = descriptor_pool.Default()
    pool.AddSerializedFile(proto.SerializeToString())
    return pool.FindFileByName(proto.name)


LAB = _file()


@dataclass
class Seen:
    """A call as its handler saw it."""

    method: str
    request: RequestContext
    metadata: dict[str, Any]
    seconds_left: float | None


@dataclass
class Lab:
    """Answers with what it was sent, unless it was told otherwise."""

    answers: dict[str, Callable[[str], Awaitable[str]]] = field(default_factory=dict)
    streams: dict[str, Callable[[str], AsyncGenerator[str]]] = field(default_factory=dict)
    seen: list[Seen] = field(default_factory=list)

    async def unary(self, method: str, message: StringValue, context: Any) -> StringValue:
        self._note(method, context)
        answer = await self.answers.get(method, _echo)(message.value)
        # Raw answers may be no messages at all.
        return answer if method == "Raw" else StringValue(value=answer)  # type: ignore[return-value]

    async def stream(self, method: str, message: StringValue, context: Any) -> AsyncIterator[StringValue]:
        self._note(method, context)
        async with aclosing(self.streams.get(method, _twice)(message.value)) as texts:
            async for text in texts:
                yield StringValue(value=text)

    async def gather(self, method: str, messages: AsyncIterator[StringValue], context: Any) -> StringValue:
        self._note(method, context)
        return StringValue(value="".join([message.value async for message in messages]))

    async def chat(
        self, method: str, messages: AsyncIterator[StringValue], context: Any
    ) -> AsyncIterator[StringValue]:
        self._note(method, context)
        async for message in messages:
            yield message

    def _note(self, method: str, context: Any) -> None:
        metadata = dict(context.invocation_metadata())
        self.seen.append(Seen(method, current(), metadata, context.time_remaining()))


async def _echo(text: str) -> str:
    return text


async def _twice(text: str) -> AsyncGenerator[str]:
    yield text
    yield text


def add_lab(lab: Lab, server: Any) -> None:
    """As generated code adds a servicer."""
    kinds: dict[tuple[bool, bool], tuple[Any, Any]] = {
        (False, False): (grpc.unary_unary_rpc_method_handler, lab.unary),
        (False, True): (grpc.unary_stream_rpc_method_handler, lab.stream),
        (True, False): (grpc.stream_unary_rpc_method_handler, lab.gather),
        (True, True): (grpc.stream_stream_rpc_method_handler, lab.chat),
    }
    handlers = {}
    for rpc in _RPCS:
        make, behavior = kinds[rpc.client_streaming, rpc.server_streaming]
        handlers[rpc.name] = make(
            partial(behavior, rpc.name),
            request_deserializer=StringValue.FromString,
            response_serializer=StringValue.SerializeToString,
        )
    server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler(SERVICE, handlers),))
    server.add_registered_method_handlers(SERVICE, handlers)


class LabStub:
    """Calls the lab: `await stub.Open("text", metadata=..., timeout=...)`."""

    def __init__(self, channel: grpc.aio.Channel) -> None:
        kinds: dict[tuple[bool, bool], Any] = {
            (False, False): channel.unary_unary,
            (False, True): channel.unary_stream,
            (True, False): channel.stream_unary,
            (True, True): channel.stream_stream,
        }
        self._calls = {
            rpc.name: kinds[rpc.client_streaming, rpc.server_streaming](
                f"/{SERVICE}/{rpc.name}", request_serializer=_encoded, response_deserializer=_decoded
            )
            for rpc in _RPCS
        }

    def __getattr__(self, name: str) -> Any:
        return self._calls[name]


def _encoded(text: str) -> bytes:
    return StringValue(value=text).SerializeToString()


def _decoded(data: bytes) -> str:
    return StringValue.FromString(data).value


class People:
    """Signs the tokens of people, as auth does, and publishes the key."""

    def __init__(self) -> None:
        self._private = Ed25519PrivateKey.generate()

    async def keys(self) -> Mapping[str, Any]:
        public = self._private.public_key().public_bytes_raw()
        x = base64.urlsafe_b64encode(public).rstrip(b"=").decode()
        return {"keys": [{"kty": "OKP", "crv": "Ed25519", "kid": "k1", "x": x}]}

    def token(self, subject: str = "alice", roles: Sequence[str] = ("customer",), **changes: Any) -> str:
        now = int(time.time())
        claims = {"iss": "tillmesh", "aud": "tillmesh", "sub": subject, "roles": list(roles)}
        claims |= {"iat": now, "exp": now + 900} | changes
        return jwt.encode(claims, self._private, "EdDSA", headers={"kid": "k1"})

    def bearer(self, subject: str = "alice", roles: Sequence[str] = ("customer",), **changes: Any) -> Any:
        return ("authorization", f"Bearer {self.token(subject, roles, **changes)}")


def service_tokens(name: str, key: bytes = MESH_KEY) -> ServiceTokens:
    return ServiceTokens(name, key, SystemClock())


def peer(name: str = "orders", audience: str = "lab", key: bytes = MESH_KEY) -> tuple[str, str]:
    return ("x-tillmesh-service", service_tokens(name, key).mint(audience))


class Reports(ErrorReporter):
    """Keeps what it was told, with the request it was told in."""

    def __init__(self) -> None:
        self.kept: list[tuple[BaseException, dict[str, str], str]] = []

    @override
    def report(self, error: BaseException, *, tags: Mapping[str, str]) -> str:
        self.kept.append((error, dict(tags), current().request_id))
        return "event"

    @override
    def flush(self, seconds: float) -> None:
        pass


class Lines(logging.Handler):
    """Log lines as they would be written, made where they are logged."""

    def __init__(self) -> None:
        super().__init__()
        self.setFormatter(JsonLines("lab"))
        self.kept: list[dict[str, Any]] = []

    @override
    def emit(self, record: logging.LogRecord) -> None:
        self.kept.append(json.loads(self.format(record)))

    def of(self, event: str) -> list[dict[str, Any]]:
        return [line for line in self.kept if line["event"] == event]


@contextmanager
def kept_lines() -> Iterator[Lines]:
    lines, root = Lines(), logging.getLogger()
    level = root.level
    root.addHandler(lines)
    root.setLevel(logging.INFO)
    try:
        yield lines
    finally:
        root.removeHandler(lines)
        root.setLevel(level)


def settings(**changes: Any) -> ServiceSettings:
    given: dict[str, Any] = {"grpc_port": 0, "http_port": 0, "mesh_key": SecretStr(MESH_KEY.decode())}
    given |= changes
    return ServiceSettings(**given)


@dataclass
class House:
    """A lab behind the chain, on a socket, and all that can be seen of it."""

    lab: Lab
    chain: Chain
    server: grpc.aio.Server
    health: Health
    port: int
    stub: Any
    people: People
    reports: Reports
    instruments: Instruments
    tracing: Tracing
    spans: InMemorySpanExporter

    @property
    def target(self) -> str:
        return f"127.0.0.1:{self.port}"

    def calls(self, method: str, code: str) -> float:
        """How many calls were counted."""
        labels = {"rpc_service": SERVICE, "rpc_method": method, "rpc_grpc_status_code": code}
        registry = self.instruments.registry
        return registry.get_sample_value("rpc_server_duration_seconds_count", labels) or 0

    def finished(self) -> tuple[ReadableSpan, ...]:
        self.tracing.provider.force_flush()
        return self.spans.get_finished_spans()

    def channel(self, peer_name: str, target: str) -> grpc.aio.Channel:
        """The way out of this house, as the kit gives it."""
        return open_channel(
            peer_name,
            target,
            [LAB],
            services=service_tokens("lab"),
            instruments=self.instruments,
            tracers=self.tracing.provider,
        )


@asynccontextmanager
async def open_house(
    *, name: str = "lab", sample_ratio: float = 0.0, most_calls: int = 1000, port: int = 0
) -> AsyncIterator[House]:
    async with AsyncExitStack() as lifetime:
        spans, instruments, people, reports = InMemorySpanExporter(), Instruments(name), People(), Reports()
        tracing = Tracing(name, settings(otel_traces_sampler_arg=sample_ratio))
        tracing.provider.add_span_processor(SimpleSpanProcessor(spans))
        lifetime.callback(tracing.provider.shutdown)
        chain = Chain(
            Admission(UserTokens(people.keys, SystemClock()), service_tokens(name)),
            instruments,
            reports,
            tracing.provider,
            sample_ratio=sample_ratio,
            most_calls=most_calls,
        )
        server = grpc.aio.server(interceptors=[chain], options=[("grpc.so_reuseport", 0)])
        lab, health = Lab(), Health()
        health.set("", serving=True)
        add_lab(lab, server)
        health_pb2_grpc.add_HealthServicer_to_server(HealthServicer(health), server)
        port = server.add_insecure_port(f"127.0.0.1:{port}")
        await server.start()
        lifetime.push_async_callback(server.stop, None)
        channel = await lifetime.enter_async_context(grpc.aio.insecure_channel(f"127.0.0.1:{port}"))
        yield House(
            lab,
            chain,
            server,
            health,
            port,
            LabStub(channel),
            people,
            reports,
            instruments,
            tracing,
            spans,
        )


async def refused(call: Any) -> RemoteRefusal:
    """The refusal that a call ends with."""
    try:
        await call
    except grpc.aio.AioRpcError as error:
        return refusal_of(error)
    raise AssertionError("the call was answered")
