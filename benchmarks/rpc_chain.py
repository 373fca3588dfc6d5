"""Unary calls a second through the whole interceptor chain, against a bare server.

Both servers run on uvloop in a process of their own, pinned to one core; the client
has the other core and asks them in turns, so that noise meets both. A client in
Python can be slower than a bare server, which would flatter us: the servers' own
processor time per call is printed beside, and the lower of the two ratios counts.
"""

from __future__ import annotations

import asyncio
import os
import secrets
import socket
import statistics
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from typing import Any

import grpc
import jwt
import psutil
import uvloop
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from opentelemetry.proto.collector.trace.v1 import trace_service_pb2 as traces
from opentelemetry.proto.collector.trace.v1 import trace_service_pb2_grpc as traces_grpc
from tillmesh.orders.v1 import orders_pb2, orders_pb2_grpc
from typing_extensions import override

from benchmarks.rpc_chain_server.main import KEY_ID, PUBLIC_KEY
from servicekit.clock import SystemClock
from servicekit.tokens import ServiceTokens

ROUNDS = 12
ROUND_SECONDS = 1.5
CALLERS = 16
SAMPLED = 0.1
ASKED = 0.60
AIM = 0.75


@dataclass
class Contender:
    """One server and what was measured of it."""

    name: str
    port: int
    process: psutil.Process
    calls_per_second: list[float] = field(default_factory=list)
    cpu_microseconds: list[float] = field(default_factory=list)


class Sink(traces_grpc.TraceServiceServicer):
    """Takes the spans, so that exporting them is part of the cost."""

    def __init__(self) -> None:
        self.spans = 0

    @override
    async def Export(
        self, request: traces.ExportTraceServiceRequest, context: Any
    ) -> traces.ExportTraceServiceResponse:
        self.spans += sum(len(scope.spans) for each in request.resource_spans for scope in each.scope_spans)
        return traces.ExportTraceServiceResponse()


def run(environ: Mapping[str, str]) -> None:
    """Measure, and print the ratio."""
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(_compare(environ))


async def _compare(inherited: Mapping[str, str]) -> None:
    private = Ed25519PrivateKey.generate()
    mesh_key = secrets.token_hex(32)
    async with _sink() as (sink, sink_port):
        environ = {
            **inherited,
            PUBLIC_KEY: private.public_key().public_bytes_raw().hex(),
            "MESH_KEY": mesh_key,
            "HTTP_PORT": "0",
            "OTEL_TRACES_SAMPLER_ARG": str(SAMPLED),
            "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT": f"127.0.0.1:{sink_port}",
        }
        with _server("bare", environ) as bare, _server("full", environ) as full:
            _pin(bare, full)
            for contender in (bare, full):
                await _round(contender, private, mesh_key, warm_up=True)
            for _ in range(ROUNDS):
                for contender in (bare, full):
                    await _round(contender, private, mesh_key)
        _print(bare, full, sink)


def _print(bare: Contender, full: Contender, sink: Sink) -> None:
    for contender in (bare, full):
        print(
            f"  {contender.name}: {statistics.median(contender.calls_per_second):,.0f} calls/s,"
            f" {statistics.median(contender.cpu_microseconds):.0f} us of processor time a call"
        )
    wall = statistics.median(
        ours / theirs for ours, theirs in zip(full.calls_per_second, bare.calls_per_second, strict=True)
    )
    cpu = statistics.median(
        theirs / ours for ours, theirs in zip(full.cpu_microseconds, bare.cpu_microseconds, strict=True)
    )
    print(f"  spans recorded: {sink.spans:,}")
    print(f"  ratio by calls per second: {wall:.2f}; by processor time: {cpu:.2f} (asked {ASKED}, aim {AIM})")


async def _round(
    contender: Contender, private: Ed25519PrivateKey, mesh_key: str, *, warm_up: bool = False
) -> None:
    metadata = _metadata(private, mesh_key)
    async with grpc.aio.insecure_channel(f"127.0.0.1:{contender.port}") as channel:
        await asyncio.wait_for(channel.channel_ready(), 20)
        stub = orders_pb2_grpc.OrdersServiceStub(channel)
        cpu_before = sum(contender.process.cpu_times()[:2])
        began = time.perf_counter()
        until = began + ROUND_SECONDS
        counts = await asyncio.gather(*(_call(stub, metadata, until) for _ in range(CALLERS)))
        seconds = time.perf_counter() - began
        cpu = sum(contender.process.cpu_times()[:2]) - cpu_before
    if not warm_up:
        contender.calls_per_second.append(sum(counts) / seconds)
        contender.cpu_microseconds.append(cpu / sum(counts) * 1e6)


async def _call(stub: Any, metadata: tuple[tuple[str, str], ...], until: float) -> int:  # noqa: ANN401 - one generated class, two types
    count = 0
    request = orders_pb2.GetOrderRequest(id="01980a3e-0000-7000-8000-000000000001")
    while time.perf_counter() < until:
        await stub.GetOrder(request, metadata=metadata, timeout=5)
        count += 1
    return count


def _metadata(private: Ed25519PrivateKey, mesh_key: str) -> tuple[tuple[str, str], ...]:
    now = int(time.time())
    claims = {
        "iss": "tillmesh",
        "aud": "tillmesh",
        "sub": "01980a3e-0000-7000-8000-000000000002",
        "roles": ["cashier"],
        "iat": now,
        "exp": now + 900,
        "jti": secrets.token_hex(8),
    }
    user = jwt.encode(claims, private, algorithm="EdDSA", headers={"kid": KEY_ID})
    peer = ServiceTokens("gateway", mesh_key.encode(), SystemClock()).mint("orders")
    return (
        ("authorization", f"Bearer {user}"),
        ("x-tillmesh-service", peer),
        ("x-request-id", secrets.token_hex(16)),
    )


def _pin(*contenders: Contender) -> None:
    """Servers on the first core, the client on the second, where the system can."""
    if hasattr(os, "sched_setaffinity") and (os.cpu_count() or 1) > 1:
        os.sched_setaffinity(0, {1})
        for contender in contenders:
            contender.process.cpu_affinity([0])


@contextmanager
def _server(name: str, environ: dict[str, str]) -> Iterator[Contender]:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    process = subprocess.Popen(
        [sys.executable, "-m", "benchmarks.rpc_chain_server", name],
        env={**environ, "GRPC_PORT": str(port)},
        stderr=subprocess.DEVNULL,
    )
    try:
        yield Contender(name, port, psutil.Process(process.pid))
    finally:
        process.terminate()
        process.wait(30)


@asynccontextmanager
async def _sink() -> AsyncIterator[tuple[Sink, int]]:
    server, sink = grpc.aio.server(), Sink()
    traces_grpc.add_TraceServiceServicer_to_server(sink, server)  # type: ignore[no-untyped-call] # shipped without types
    port = server.add_insecure_port("127.0.0.1:0")
    await server.start()
    try:
        yield sink, port
    finally:
        await server.stop(None)
