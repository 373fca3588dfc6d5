"""Calls to other services: the only way out.

One channel for each peer, with client-side health checking (which gRPC only does
under `round_robin`), retries for RPCs that say they can be repeated and for no
others, and a budget on those retries. Every call carries the request id, the
caller's identity, ours, the trace, and no more time than our own caller gave us.
"""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import AsyncIterable, AsyncIterator, Awaitable, Callable, Sequence
from contextvars import ContextVar
from typing import Any

import grpc
from google.protobuf.descriptor import FileDescriptor
from opentelemetry import trace
from opentelemetry.instrumentation.grpc import aio_client_interceptors
from opentelemetry.trace import INVALID_SPAN, Span, StatusCode, TracerProvider
from typing_extensions import override

from servicekit import admission
from servicekit.context import current
from servicekit.instruments import Histogram, Instruments
from servicekit.methods import MethodRule, rule_of, rules_in
from servicekit.tokens import ServiceTokens

LEAST_SECONDS = 0.001
"""A call whose time has run out still goes through gRPC, to fail as a deadline does."""
FAILURES_FORGIVEN = 50
"""Failures in a row until nothing is repeated any more. A process that dies fails all its calls
at once: with the 5 of gRPC's own example some were lost, though another process was there."""

_OPTIONS: list[tuple[str, Any]] = [
    ("grpc.enable_retries", 1),
    ("grpc.keepalive_time_ms", 10_000),
    ("grpc.keepalive_timeout_ms", 2_000),
    ("grpc.initial_reconnect_backoff_ms", 100),
    ("grpc.min_reconnect_backoff_ms", 100),
    ("grpc.max_reconnect_backoff_ms", 500),
    ("grpc.dns_min_time_between_resolutions_ms", 1_000),
]
"""A peer that comes back is used again within a second."""


def service_config(files: Sequence[FileDescriptor]) -> str:
    """The gRPC service config for a peer with these APIs, as JSON.

    Source: grpc/doc/service_config.md, gRFC A6 (retries), A17 (client-side health checking).
    """
    repeatable = [
        {"service": rule.service, "method": rule.method}
        for file in files
        for rule in rules_in(file)
        if rule.repeatable
    ]
    retry = {
        "maxAttempts": 3,
        "initialBackoff": "0.05s",
        "maxBackoff": "0.5s",
        "backoffMultiplier": 2,
        "retryableStatusCodes": ["UNAVAILABLE"],
    }
    config: dict[str, Any] = {
        "loadBalancingConfig": [{"round_robin": {}}],
        "healthCheckConfig": {"serviceName": ""},
        "retryThrottling": {"maxTokens": FAILURES_FORGIVEN * 2, "tokenRatio": 0.1},
    }
    if repeatable:
        config["methodConfig"] = [{"name": repeatable, "retryPolicy": retry}]
    return json.dumps(config)


def open_channel(
    peer: str,
    target: str,
    files: Sequence[FileDescriptor],
    *,
    services: ServiceTokens,
    instruments: Instruments,
    tracers: TracerProvider,
) -> grpc.aio.Channel:
    """A channel to `peer`. Close it when done: an abandoned one is never collected."""
    outgoing = _Outgoing(peer, services, instruments, tracers)
    return grpc.aio.insecure_channel(
        target,
        options=[*_OPTIONS, ("grpc.service_config", service_config(files))],
        interceptors=[_UnaryCalls(outgoing), _StreamingCalls(outgoing)],
    )


class _Outgoing:
    """What every call to one peer carries."""

    def __init__(
        self, peer: str, services: ServiceTokens, instruments: Instruments, tracers: TracerProvider
    ) -> None:
        self._peer = peer
        self._services = services
        self._durations: Histogram = instruments.histogram("rpc_client_duration_seconds")
        self._rules: dict[str, MethodRule] = {}
        unary, streaming, *_ = aio_client_interceptors(  # type: ignore[no-untyped-call] # untyped
            tracer_provider=tracers, request_hook=_note_span
        )
        self.unary_spans = unary
        self.streaming_spans = streaming

    def rule(self, details: grpc.aio.ClientCallDetails) -> MethodRule:
        method: Any = details.method  # a str by its type, bytes in truth (grpc issue 31092)
        path: str = method.decode() if isinstance(method, bytes) else method
        if path not in self._rules:
            self._rules[path] = rule_of(path)
        return self._rules[path]

    def prepare(
        self, details: grpc.aio.ClientCallDetails, default_seconds: float | None
    ) -> grpc.aio.ClientCallDetails:
        request = current()
        metadata = grpc.aio.Metadata(*(details.metadata or ()))
        metadata[admission.REQUEST_ID] = request.request_id
        metadata[admission.SERVICE_TOKEN] = self._services.mint(self._peer)
        if request.authorization:
            metadata[admission.AUTHORIZATION] = request.authorization
        if request.synthetic:
            metadata[admission.SYNTHETIC] = "true"
        if request.traceparent and not is_recording():
            metadata[admission.TRACEPARENT] = request.traceparent
        timeout = default_seconds if details.timeout is None else details.timeout
        if request.deadline is not None:
            left = max(LEAST_SECONDS, request.deadline - time.monotonic())
            timeout = left if timeout is None else min(timeout, left)
        return grpc.aio.ClientCallDetails(
            details.method, timeout, metadata, details.credentials, details.wait_for_ready
        )

    def record(self, rule: MethodRule, code: grpc.StatusCode, started: float) -> None:
        self._durations.labels(
            peer=self._peer,
            rpc_service=rule.service,
            rpc_method=rule.method,
            rpc_grpc_status_code=code.name,
        ).observe(time.perf_counter() - started)


def is_recording() -> bool:
    """True inside a span that is sampled."""
    return trace.get_current_span().is_recording()


_span: ContextVar[Span] = ContextVar("tillmesh_client_span", default=INVALID_SPAN)
"""The span around the call of this task."""


def _note_span(span: Span, _request: object) -> None:
    _span.set(span)


def _end_span_as_cancelled() -> None:
    """Leave the span of a call that was given up, which the stock interceptor forgets to end."""
    span = _span.get()
    if span.is_recording():
        span.set_attribute("rpc.grpc.status_code", grpc.StatusCode.CANCELLED.value[0])
        span.set_status(StatusCode.ERROR, "the call was given up")
        span.end()


class _UnaryCalls(grpc.aio.UnaryUnaryClientInterceptor):
    def __init__(self, outgoing: _Outgoing) -> None:
        self._outgoing = outgoing

    @override
    async def intercept_unary_unary(
        self,
        continuation: Callable[[grpc.aio.ClientCallDetails, Any], Awaitable[Any]],
        client_call_details: grpc.aio.ClientCallDetails,
        request: Any,
    ) -> Any:
        outgoing = self._outgoing
        rule = outgoing.rule(client_call_details)
        details = outgoing.prepare(client_call_details, rule.deadline_seconds)
        started = time.perf_counter()
        code = grpc.StatusCode.CANCELLED
        try:
            if is_recording():
                call = await outgoing.unary_spans.intercept_unary_unary(continuation, details, request)
            else:
                call = await continuation(details, request)
            response = await call
            code = grpc.StatusCode.OK
        except grpc.aio.AioRpcError as error:
            code = error.code()
            raise
        except asyncio.CancelledError:
            _end_span_as_cancelled()
            raise
        finally:
            outgoing.record(rule, code, started)
        return response


class _StreamingCalls(grpc.aio.UnaryStreamClientInterceptor):
    def __init__(self, outgoing: _Outgoing) -> None:
        self._outgoing = outgoing

    @override
    async def intercept_unary_stream(
        self,
        continuation: Callable[[grpc.aio.ClientCallDetails, Any], Awaitable[Any]],
        client_call_details: grpc.aio.ClientCallDetails,
        request: Any,
    ) -> Any:
        outgoing = self._outgoing
        rule = outgoing.rule(client_call_details)
        details = outgoing.prepare(client_call_details, rule.stream_seconds)
        started = time.perf_counter()
        if is_recording():
            call = await outgoing.streaming_spans.intercept_unary_stream(continuation, details, request)
        else:
            call = await continuation(details, request)
        return _recorded(call, lambda code: outgoing.record(rule, code, started))


async def _recorded(
    responses: AsyncIterable[Any], record: Callable[[grpc.StatusCode], None]
) -> AsyncIterator[Any]:
    """The same responses; `record` hears how they ended."""
    code = grpc.StatusCode.CANCELLED
    try:
        async for response in responses:
            yield response
        code = grpc.StatusCode.OK
    except grpc.aio.AioRpcError as error:
        code = error.code()
        raise
    finally:
        record(code)
