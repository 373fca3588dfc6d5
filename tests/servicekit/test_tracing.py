import asyncio
import threading
import time
from collections.abc import AsyncIterator, Iterator, Sequence
from typing import Any

import grpc
import pytest
from opentelemetry import trace
from opentelemetry.proto.collector.trace.v1 import trace_service_pb2 as pb
from opentelemetry.proto.collector.trace.v1 import trace_service_pb2_grpc as pb_grpc
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor, SpanExporter, SpanExportResult
from pydantic import SecretStr
from typing_extensions import override

from servicekit import context
from servicekit.settings import ServiceSettings
from servicekit.tracing import (
    Tracing,
    batches,
    context_from_traceparent,
    current_traceparent,
    sample_next_root,
)

BURST = 20_000


def settings(*, ratio: float = 0, endpoint: str = "") -> ServiceSettings:
    return ServiceSettings(
        grpc_port=0,
        http_port=0,
        mesh_key=SecretStr("k" * 32),
        otel_traces_sampler_arg=ratio,
        otel_exporter_otlp_traces_endpoint=endpoint,
    )


class Kept(SpanExporter):
    """Keeps the names of what it is sent; can be slow, as a network is."""

    def __init__(self, seconds: float = 0) -> None:
        self.names: list[str] = []
        self._seconds = seconds

    @override
    def export(self, spans: Sequence[ReadableSpan]) -> SpanExportResult:
        time.sleep(self._seconds)
        self.names += [span.name for span in spans]
        return SpanExportResult.SUCCESS


class Dead(SpanExporter):
    """Never answers, until it is released."""

    def __init__(self) -> None:
        self.released = threading.Event()

    @override
    def export(self, spans: Sequence[ReadableSpan]) -> SpanExportResult:
        self.released.wait()
        return SpanExportResult.FAILURE


@pytest.fixture
def kept() -> Kept:
    return Kept()


@pytest.fixture
def tracing(kept: Kept) -> Iterator[Tracing]:
    tracing = Tracing("shop", settings(), kept)
    yield tracing
    tracing.shutdown(5)


def names(tracing: Tracing, kept: Kept) -> list[str]:
    tracing.provider.force_flush()
    return sorted(kept.names)


def test_a_root_the_chain_has_chosen_is_recorded_with_its_children(tracing: Tracing, kept: Kept) -> None:
    tracer = tracing.provider.get_tracer("test")
    sample_next_root()

    with tracer.start_as_current_span("call"), tracer.start_as_current_span("query"):
        pass

    assert names(tracing, kept) == ["call", "query"]


def test_the_choice_holds_for_one_root(tracing: Tracing, kept: Kept) -> None:
    tracer = tracing.provider.get_tracer("test")
    sample_next_root()

    tracer.start_span("chosen").end()
    tracer.start_span("next").end()

    assert names(tracing, kept) == ["chosen"]


async def test_the_choice_of_one_task_is_not_seen_by_another(tracing: Tracing, kept: Kept) -> None:
    tracer = tracing.provider.get_tracer("test")

    async def call(name: str, *, chosen: bool) -> None:
        if chosen:
            sample_next_root()
        await asyncio.sleep(0)
        tracer.start_span(name).end()

    await asyncio.gather(call("one", chosen=True), call("two", chosen=False))

    assert names(tracing, kept) == ["one"]


def test_roots_begun_outside_a_call_are_recorded_by_the_share(kept: Kept) -> None:
    tracing = Tracing("shop", settings(ratio=1), kept)

    tracing.provider.get_tracer("test").start_span("sweep").end()

    assert tracing.shutdown(5)
    assert kept.names == ["sweep"]


@pytest.mark.parametrize(("flags", "recorded"), [("01", ["call"]), ("03", ["call"]), ("00", []), ("02", [])])
def test_a_trace_begun_elsewhere_keeps_its_decision(
    tracing: Tracing, kept: Kept, flags: str, recorded: list[str]
) -> None:
    parent = context_from_traceparent(f"00-{'a' * 32}-{'b' * 16}-{flags}")

    tracing.provider.get_tracer("test").start_span("call", parent).end()

    assert names(tracing, kept) == recorded


def test_work_that_is_done_later_continues_its_trace(tracing: Tracing) -> None:
    tracer = tracing.provider.get_tracer("test")
    sample_next_root()
    with tracer.start_as_current_span("order") as order:
        kept_with_the_job = current_traceparent()

    job = tracer.start_span("job", context_from_traceparent(kept_with_the_job, "vendor=1"))

    assert job.get_span_context().trace_id == order.get_span_context().trace_id
    assert job.get_span_context().trace_state.get("vendor") == "1"
    assert job.is_recording()


def test_work_of_an_unsampled_request_continues_its_trace_too() -> None:
    traceparent = f"00-{'a' * 32}-{'b' * 16}-00"

    with context.scope(context.RequestContext(traceparent=traceparent)):
        assert current_traceparent() == traceparent


def test_where_there_is_no_trace_there_is_no_traceparent() -> None:
    with context.scope(context.RequestContext()):
        assert current_traceparent() == ""


@pytest.mark.parametrize("traceparent", ["", "nonsense", f"00-{'0' * 32}-{'b' * 16}-01", "ff" + "a" * 60])
def test_a_traceparent_that_is_none_continues_nothing(traceparent: str) -> None:
    parent = context_from_traceparent(traceparent)

    assert not trace.get_current_span(parent).get_span_context().is_valid


def burst(provider: TracerProvider) -> None:
    sample_next_root()
    tracer = provider.get_tracer("test")
    with tracer.start_as_current_span("root"):
        for _ in range(BURST - 1):
            tracer.start_span("call").end()


def test_a_burst_is_sent_whole() -> None:
    kept = Kept(seconds=0.05)
    tracing = Tracing("shop", settings(), kept)

    burst(tracing.provider)

    assert tracing.shutdown(30)
    assert len(kept.names) == BURST


def test_a_burst_overflows_the_processor_as_the_library_sizes_it() -> None:
    """The negative control of the test above."""
    kept = Kept(seconds=0.05)
    provider = TracerProvider(shutdown_on_exit=False)
    provider.add_span_processor(BatchSpanProcessor(kept))

    burst(provider)

    provider.shutdown()
    assert len(kept.names) < BURST


def test_a_dead_collector_does_not_hold_up_the_end() -> None:
    dead = Dead()
    tracing = Tracing("shop", settings(ratio=1), dead)
    tracing.provider.get_tracer("test").start_span("call").end()
    began = time.monotonic()

    was_sent = tracing.shutdown(0.2)

    assert not was_sent
    assert time.monotonic() - began < 1
    dead.released.set()


def test_the_library_alone_waits_for_a_dead_collector() -> None:
    """The negative control of the test above."""
    dead = Dead()
    provider = TracerProvider(shutdown_on_exit=False)
    provider.add_span_processor(batches(dead))
    provider.get_tracer("test").start_span("call").end()
    flushing = threading.Thread(target=provider.shutdown, daemon=True)

    flushing.start()
    flushing.join(0.5)

    assert flushing.is_alive()
    dead.released.set()
    flushing.join()


class Receiver(pb_grpc.TraceServiceServicer):
    """An OTLP receiver that keeps what it is sent."""

    def __init__(self) -> None:
        self.requests: list[pb.ExportTraceServiceRequest] = []

    @override
    async def Export(
        self, request: pb.ExportTraceServiceRequest, context: Any
    ) -> pb.ExportTraceServiceResponse:
        self.requests.append(request)
        return pb.ExportTraceServiceResponse()


@pytest.fixture
async def receiver() -> Receiver:
    return Receiver()


@pytest.fixture
async def endpoint(receiver: Receiver) -> AsyncIterator[str]:
    server = grpc.aio.server()
    pb_grpc.add_TraceServiceServicer_to_server(receiver, server)  # type: ignore[no-untyped-call]
    port = server.add_insecure_port("127.0.0.1:0")
    await server.start()
    yield f"127.0.0.1:{port}"
    await server.stop(0)


async def test_spans_leave_by_otlp_with_the_name_of_their_service(receiver: Receiver, endpoint: str) -> None:
    tracing = Tracing("shop", settings(ratio=1, endpoint=endpoint))
    tracing.provider.get_tracer("test").start_span("sweep").end()

    assert await asyncio.to_thread(tracing.shutdown, 5)

    (spans,) = receiver.requests[0].resource_spans
    attributes = {pair.key: pair.value.string_value for pair in spans.resource.attributes}
    assert attributes["service.name"] == "shop"
    assert [span.name for span in spans.scope_spans[0].spans] == ["sweep"]


async def test_a_collector_that_refuses_connections_does_not_hold_up_the_end() -> None:
    tracing = Tracing("shop", settings(ratio=1, endpoint="127.0.0.1:1"))
    tracing.provider.get_tracer("test").start_span("sweep").end()
    began = time.monotonic()

    await asyncio.to_thread(tracing.shutdown, 0.5)

    assert time.monotonic() - began < 1


def test_the_global_provider_is_left_alone(tracing: Tracing) -> None:
    assert trace.get_tracer_provider() is not tracing.provider
