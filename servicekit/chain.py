"""What happens around every RPC that a service answers, in one interceptor.

Request id, deadline, identity, policy, errors, metrics and access log are fused:
stacked interceptors cost a coroutine each, and together more than the call (see
docs/decisions/0003). Spans come from opentelemetry-instrumentation-grpc, which
only runs for calls whose trace is sampled; the others keep their trace by its
`traceparent`. Health and reflection pass untouched.
"""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass
from typing import Any, NoReturn, TypeAlias

import grpc
from opentelemetry.instrumentation.grpc import aio_server_interceptor
from opentelemetry.trace import TracerProvider
from typing_extensions import override

from servicekit import context as requests
from servicekit.admission import TRACEPARENT, Admission, is_sampled, new_traceparent
from servicekit.clock import uuid7
from servicekit.errors import DeadlineExceeded, Kind, Refusal
from servicekit.instruments import Instruments
from servicekit.logs import logger
from servicekit.methods import MethodRule, rule_of
from servicekit.sentry import ErrorReporter
from servicekit.status import ERROR_ID, code_of, trailers_of
from servicekit.tracing import sample_next_root

log = logger(__name__)

REPORT_SECONDS = 0.02
"""Kept back from each deadline to tell the caller that it passed (boulder's rule)."""
SLOW_SECONDS = 1.0
"""A call that takes longer is logged, sampled or not."""

_UNTOUCHED = ("/grpc.health.v1.", "/grpc.reflection.")

# Generic in their stubs only.
Context: TypeAlias = "grpc.aio.ServicerContext[Any, Any]"
Handler: TypeAlias = "grpc.RpcMethodHandler[Any, Any]"
Unary = Callable[[Any, Context], Awaitable[Any]]
Streaming = Callable[[Any, Context], AsyncIterator[Any]]


class Internal(Refusal):
    """Our fault; the error id names our record of it."""

    kind = Kind.INTERNAL
    reason = "INTERNAL"


class TooManyCalls(Refusal):
    """This process works on as many calls as it can."""

    kind = Kind.RESOURCE_EXHAUSTED
    reason = "TOO_MANY_CALLS"


@dataclass(frozen=True, slots=True)
class _Wrapped:
    """One RPC's handlers, made once: with and without a span around them."""

    rule: MethodRule
    unsampled: Handler
    sampled: Callable[[grpc.HandlerCallDetails], Awaitable[Handler]]


class Chain(grpc.aio.ServerInterceptor):
    """The interceptor of every service.

    Args:
        admission: Who may call.
        instruments: Where durations are counted.
        reporter: Who hears of errors that are our fault.
        tracers: Where spans are made.
        sample_ratio: Share of traces that begin here and are recorded.
        most_calls: Calls worked on at once; more are refused. Health is not counted.
    """

    def __init__(
        self,
        admission: Admission,
        instruments: Instruments,
        reporter: ErrorReporter,
        tracers: TracerProvider,
        *,
        sample_ratio: float,
        most_calls: int = 1000,
    ) -> None:
        self.admission = admission
        self.durations = instruments.histogram("rpc_server_duration_seconds")
        self.reporter = reporter
        self.most_calls = most_calls
        self.running: set[asyncio.Task[Any]] = set()
        self._sample_ratio = sample_ratio
        self._spans = aio_server_interceptor(tracer_provider=tracers)  # type: ignore[no-untyped-call] # untyped
        self._handlers: dict[str, _Wrapped] = {}

    @override
    async def intercept_service(
        self,
        continuation: Callable[[grpc.HandlerCallDetails], Awaitable[Handler | None]],
        handler_call_details: grpc.HandlerCallDetails,
    ) -> Handler | None:
        wrapped = self._handlers.get(handler_call_details.method)
        if wrapped is None:
            handler = await continuation(handler_call_details)
            if handler is None or handler_call_details.method.startswith(_UNTOUCHED):
                return handler
            wrapped = self._wrap(handler_call_details.method, handler)
        if not wrapped.rule.ours or not self._is_sampled(handler_call_details):
            return wrapped.unsampled
        spanned: Handler = await self._spans.intercept_service(wrapped.sampled, handler_call_details)
        return spanned

    async def drained(self) -> None:
        """Return when no handler runs: `server.stop()` returns before aborted ones have cleaned up."""
        while self.running:
            await asyncio.wait(self.running)

    def _is_sampled(self, details: grpc.HandlerCallDetails) -> bool:
        for key, value in details.invocation_metadata:
            if key == TRACEPARENT:
                return is_sampled(str(value))
        if random.random() >= self._sample_ratio:  # noqa: S311 - sampling is no secret
            return False
        sample_next_root()
        return True

    def _wrap(self, path: str, handler: Handler) -> _Wrapped:
        rule = rule_of(path)
        spanned = _around(handler, self, rule, sampled=True)

        async def sampled(_: grpc.HandlerCallDetails) -> Handler:
            return spanned

        wrapped = _Wrapped(rule, _around(handler, self, rule, sampled=False), sampled)
        self._handlers[path] = wrapped
        return wrapped


class _Call:
    """One call, from its metadata to its record."""

    __slots__ = (
        "_chain",
        "_code",
        "_context",
        "_entered",
        "_metadata",
        "_remaining",
        "_request",
        "_rule",
        "_sampled",
        "_started",
        "_task",
    )

    def __init__(self, chain: Chain, rule: MethodRule, context: Context, *, sampled: bool) -> None:
        self._chain = chain
        self._rule = rule
        self._context = context
        self._sampled = sampled
        self._started = time.perf_counter()
        self._code = grpc.StatusCode.OK
        # Binary values end in -bin, and nothing here reads one.
        self._metadata: dict[str, Any] = dict(context.invocation_metadata() or ())
        self._remaining: float | None = context.time_remaining()
        self._request = chain.admission.read(self._metadata, self._remaining)
        if not sampled:
            self._request.traceparent = self._metadata.get(TRACEPARENT) or new_traceparent()
        self._entered = requests.enter(self._request)
        self._task = asyncio.current_task()
        if self._task is not None:
            chain.running.add(self._task)

    async def admit(self) -> None:
        if len(self._chain.running) > self._chain.most_calls:
            raise TooManyCalls("this service is busy; repeat in a moment", retry_after_seconds=1)
        await self._chain.admission.admit(self._rule, self._request, self._metadata, self._remaining)

    def within(self, default_seconds: float | None) -> asyncio.Timeout:
        """The time this call may take; sets the deadline where the caller named none."""
        if self._remaining is not None:
            return asyncio.timeout(self._remaining - REPORT_SECONDS)
        if default_seconds is not None:
            self._request.deadline = time.monotonic() + default_seconds
        return asyncio.timeout(default_seconds)

    async def refuse(self, error: Exception, budget: asyncio.Timeout | None) -> NoReturn:
        """Answer with what went wrong. Never with a library's words."""
        refusal = self._refusal(error, budget)
        self._code = code_of(refusal)
        await self._context.abort(self._code, refusal.message, trailers_of(refusal))

    def cancelled(self) -> None:
        self._code = grpc.StatusCode.CANCELLED

    def end(self) -> None:
        seconds = time.perf_counter() - self._started
        if self._task is not None:
            self._chain.running.discard(self._task)
        self._chain.durations.labels(
            rpc_service=self._rule.service,
            rpc_method=self._rule.method,
            rpc_grpc_status_code=self._code.name,
        ).observe(seconds)
        if self._sampled or self._code is not grpc.StatusCode.OK or seconds > SLOW_SECONDS:
            log.info(
                "rpc_answered",
                rpc=self._rule.path,
                code=self._code.name,
                seconds=round(seconds, 6),
                caller=self._request.caller.subject,
                peer=self._request.caller.service,
            )
        requests.leave(self._entered)

    def _refusal(self, error: Exception, budget: asyncio.Timeout | None) -> Refusal:
        if isinstance(error, Refusal):
            return error
        if isinstance(error, TimeoutError) and budget is not None and budget.expired():
            return DeadlineExceeded("the deadline passed before there was an answer")
        error_id = uuid7()
        log.error("rpc_failed", exc_info=error, rpc=self._rule.path, error_id=error_id)
        self._chain.reporter.report(error, tags={ERROR_ID: error_id, "rpc": self._rule.path})
        return Internal("something went wrong on our side", metadata={ERROR_ID: error_id})


def _around(handler: Handler, chain: Chain, rule: MethodRule, *, sampled: bool) -> Handler:
    """The same RPC with everything around it."""
    inner: Any = handler  # typed for the synchronous server
    if handler.response_streaming:
        make: Any = grpc.unary_stream_rpc_method_handler
        behavior = inner.unary_stream
        if handler.request_streaming:
            make, behavior = grpc.stream_stream_rpc_method_handler, inner.stream_stream
        answer: Any = _streaming(behavior, chain, rule, sampled=sampled)
    else:
        make, behavior = grpc.unary_unary_rpc_method_handler, inner.unary_unary
        if handler.request_streaming:
            make, behavior = grpc.stream_unary_rpc_method_handler, inner.stream_unary
        answer = _unary(behavior, chain, rule, sampled=sampled)
    made: Handler = make(
        answer,
        request_deserializer=handler.request_deserializer,
        response_serializer=handler.response_serializer,
    )
    return made


def _unary(behavior: Unary, chain: Chain, rule: MethodRule, *, sampled: bool) -> Unary:
    async def answer(message: Any, context: Context) -> Any:  # noqa: ANN401 - any message of any RPC
        call = _Call(chain, rule, context, sampled=sampled)
        budget = None
        try:
            await call.admit()
            async with call.within(rule.deadline_seconds) as budget:
                return await behavior(message, context)
        except asyncio.CancelledError:
            call.cancelled()
            raise
        except Exception as error:  # noqa: BLE001 - the boundary: every error becomes an answer
            await call.refuse(error, budget)
        finally:
            call.end()

    return answer


def _streaming(behavior: Streaming, chain: Chain, rule: MethodRule, *, sampled: bool) -> Streaming:
    async def answer(message: Any, context: Context) -> AsyncIterator[Any]:  # noqa: ANN401 - as above
        call = _Call(chain, rule, context, sampled=sampled)
        budget = None
        try:
            await call.admit()
            async with call.within(None) as budget:
                async for response in behavior(message, context):
                    yield response
        except asyncio.CancelledError:
            call.cancelled()
            raise
        except Exception as error:  # noqa: BLE001 - the boundary: every error becomes an answer
            await call.refuse(error, budget)
        finally:
            call.end()

    return answer
