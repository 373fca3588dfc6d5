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
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import aclosing
from dataclasses import dataclass
from typing import Any, TypeAlias

import grpc
from google.protobuf.message import DecodeError
from opentelemetry.instrumentation.grpc import aio_server_interceptor
from opentelemetry.trace import TracerProvider
from typing_extensions import override

from servicekit.admission import TRACEPARENT, Admission, adopted, is_sampled
from servicekit.call import Call, Context, Surroundings
from servicekit.errors import InvalidArgument
from servicekit.instruments import Instruments
from servicekit.methods import MethodRule, rule_of
from servicekit.sentry import ErrorReporter
from servicekit.tracing import sample_next_root

_UNTOUCHED = ("/grpc.health.v1.", "/grpc.reflection.")
_SHAPES: dict[tuple[bool, bool], tuple[str, Any]] = {
    (False, False): ("unary_unary", grpc.unary_unary_rpc_method_handler),
    (False, True): ("unary_stream", grpc.unary_stream_rpc_method_handler),
    (True, False): ("stream_unary", grpc.stream_unary_rpc_method_handler),
    (True, True): ("stream_stream", grpc.stream_stream_rpc_method_handler),
}
"""By what streams, requests and responses: where a handler keeps its behaviour, and what makes one."""
_NOTHING: tuple[Any, ...] = ()

# Generic in its stub only.
Handler: TypeAlias = "grpc.RpcMethodHandler[Any, Any]"


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
        durations = instruments.histogram("rpc_server_duration_seconds")
        self.around = Surroundings(admission, durations, reporter, most_calls)
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
        while self.around.running:
            await asyncio.wait(self.around.running)

    def _is_sampled(self, details: grpc.HandlerCallDetails) -> bool:
        traceparent = ""
        for key, value in details.invocation_metadata:
            if key == TRACEPARENT:
                traceparent = adopted(str(value))
        if traceparent:
            return is_sampled(traceparent)
        if random.random() >= self._sample_ratio:  # noqa: S311 - sampling is no secret
            return False
        sample_next_root()
        return True

    def _wrap(self, path: str, handler: Handler) -> _Wrapped:
        rule = rule_of(path)
        spanned = _wrapped(handler, self.around, rule, sampled=True)

        async def sampled(_: grpc.HandlerCallDetails) -> Handler:
            return spanned

        wrapped = _Wrapped(rule, _wrapped(handler, self.around, rule, sampled=False), sampled)
        self._handlers[path] = wrapped
        return wrapped


def _wrapped(handler: Handler, around: Surroundings, rule: MethodRule, *, sampled: bool) -> Handler:
    """The same RPC with everything around it.

    It decodes a request and encodes a response by itself, so that one which cannot be is
    answered, counted and recorded as any other fault. Streams of them are left to gRPC.
    """
    shape, make = _SHAPES[handler.request_streaming, handler.response_streaming]
    codec: Any = handler  # generated code gives both, though their types say they may lack
    rpc = _Rpc(
        around,
        rule,
        getattr(handler, shape),
        decode=_as_it_is if handler.request_streaming else _reader(codec.request_deserializer),
        encode=codec.response_serializer,
        sampled=sampled,
    )
    made: Handler = make(
        rpc.stream if handler.response_streaming else rpc.answer,
        request_deserializer=handler.request_deserializer if handler.request_streaming else None,
        response_serializer=handler.response_serializer if handler.response_streaming else None,
    )
    return made


@dataclass(frozen=True, slots=True)
class _Rpc:
    """One RPC with everything around its handler."""

    around: Surroundings
    rule: MethodRule
    behavior: Callable[[Any, Context], Any]
    decode: Callable[[Any], Any]
    encode: Callable[[Any], bytes]
    sampled: bool

    async def answer(self, request: Any, context: Context) -> bytes:  # noqa: ANN401 - bytes, or a stream of messages
        call = Call(self.around, self.rule, context, sampled=self.sampled)
        try:
            async with call.within(self.rule.deadline_seconds):
                await call.admit()
                return self.encode(await self.behavior(self.decode(request), context))
        except (Exception, asyncio.CancelledError) as error:  # noqa: BLE001 - the boundary: every error becomes an answer
            await call.fail(error)
        finally:
            call.end()

    async def stream(self, request: Any, context: Context) -> AsyncIterator[Any]:  # noqa: ANN401 - as above
        """Writes the responses by itself and yields none.

        Suspended at a `yield` it would hear of a cancellation from the garbage collector,
        in another task, when nobody waits for its handler any more.
        """
        call = Call(self.around, self.rule, context, sampled=self.sampled)
        try:
            async with call.within(self.rule.stream_seconds):
                await call.admit()
                async with aclosing(self.behavior(self.decode(request), context)) as responses:
                    async for response in responses:
                        await call.send(response)
        except (Exception, asyncio.CancelledError) as error:  # noqa: BLE001 - as above
            await call.fail(error)
        finally:
            call.end()
        for response in _NOTHING:
            yield response  # it must be a generator: the stock interceptor iterates what it wraps


def _reader(decode: Callable[[bytes], Any]) -> Callable[[bytes], Any]:
    def read(data: bytes) -> Any:  # noqa: ANN401 - any message
        try:
            return decode(data)
        except DecodeError:
            raise InvalidArgument("the request is not a message of this RPC") from None

    return read


def _as_it_is(messages: Any) -> Any:  # noqa: ANN401 - any stream
    return messages
