"""OpenTelemetry tracing for one process: its provider, its sampler, its way out.

The provider is handed on as an argument and never made global. Whether a trace that
begins here is recorded is decided by the RPC chain before any span exists, because
spans of unsampled calls cost too much to make; the sampler only repeats that
decision. Traces that began elsewhere keep theirs.
"""

import threading
from collections.abc import Sequence
from contextvars import ContextVar
from typing import Final

from opentelemetry.context import Context
from opentelemetry.exporter.otlp.proto.grpc.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import SpanProcessor, TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor, SpanExporter
from opentelemetry.sdk.trace.sampling import (
    ALWAYS_ON,
    Decision,
    ParentBased,
    Sampler,
    SamplingResult,
    TraceIdRatioBased,
)
from opentelemetry.trace import Link, SpanKind, TraceState
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator
from opentelemetry.util.types import Attributes
from typing_extensions import override

from servicekit.context import current
from servicekit.correlation import trace_place
from servicekit.logs import logger
from servicekit.resource import resource_attributes
from servicekit.settings import ServiceSettings

EXPORT_SECONDS: Final = 2.0
"""Bound on sending one batch, repeats included."""

QUEUED_SPANS: Final = 24_576
"""Spans that may wait: a burst of 20,000 in 0.3 s overflowed the library's 2,048.

At 3.2 KB each, 80 MB at worst, beside a collector that is dead."""

BATCH_SPANS: Final = 1_024
"""Spans sent at once: about 0.5 MB, under gRPC's limit of 4 MB."""

SCHEDULE_SECONDS: Final = 1.0
"""Longest wait of a span: a trace is in view a second after it ended."""

_next_root_is_sampled: ContextVar[bool] = ContextVar("tillmesh_next_root_is_sampled", default=False)
_w3c = TraceContextTextMapPropagator()

log = logger(__name__)


class Tracing:
    """Where one process makes its spans and how they leave it.

    Args:
        service: The service's name.
        settings: Where spans go, and which share of traces is recorded.
        exporter: Sends spans; unless given, OTLP to the endpoint of the settings, if they name one.
    """

    def __init__(self, service: str, settings: ServiceSettings, exporter: SpanExporter | None = None) -> None:
        self.provider = TracerProvider(
            sampler=ParentBased(root=_Root(settings.otel_traces_sampler_arg)),
            resource=Resource(resource_attributes(service, settings)),
            shutdown_on_exit=False,  # It would wait for a dead collector, under no deadline.
        )
        endpoint = settings.otel_exporter_otlp_traces_endpoint
        if exporter is None and endpoint:
            exporter = OTLPSpanExporter(endpoint=endpoint, insecure=True, timeout=EXPORT_SECONDS)
        if exporter is not None:
            self.provider.add_span_processor(batches(exporter))

    def shutdown(self, deadline_seconds: float) -> bool:
        """Send what waits and stop; False when the deadline came first and spans were left behind.

        Blocks: call it in a thread. The library's own deadlines do not hold (a dead
        collector kept it for 19 s), so it works in a thread that is abandoned.
        """
        flushing = threading.Thread(target=self.provider.shutdown, name="tracing-shutdown", daemon=True)
        flushing.start()
        flushing.join(deadline_seconds)
        if flushing.is_alive():
            log.warning("spans_left_behind", deadline_seconds=deadline_seconds)
        return not flushing.is_alive()


def batches(exporter: SpanExporter) -> SpanProcessor:
    """A processor that sends spans in batches from a thread, and does not drop them in a burst."""
    return BatchSpanProcessor(
        exporter,
        max_queue_size=QUEUED_SPANS,
        max_export_batch_size=BATCH_SPANS,
        schedule_delay_millis=SCHEDULE_SECONDS * 1000,
    )


def sample_next_root() -> None:
    """Decide that the next trace begun in this task is recorded. See the module's docstring."""
    _next_root_is_sampled.set(True)


def current_traceparent() -> str:
    """The W3C `traceparent` of the running code, to be kept with work that is done later; may be empty."""
    return trace_place().traceparent


def context_from_traceparent(traceparent: str, tracestate: str = "") -> Context:
    """The context in which spans continue that trace; an empty one when it is not well formed."""
    return _w3c.extract({"traceparent": traceparent, "tracestate": tracestate}, Context())


class _Root(Sampler):
    """Samples roots that the chain has chosen, none inside other calls, and elsewhere a share by trace id."""

    def __init__(self, ratio: float) -> None:
        self._share = TraceIdRatioBased(ratio)

    @override
    def should_sample(
        self,
        parent_context: Context | None,
        trace_id: int,
        name: str,
        kind: SpanKind | None = None,
        attributes: Attributes = None,
        links: Sequence[Link] | None = None,
        trace_state: TraceState | None = None,
    ) -> SamplingResult:
        is_chosen = _next_root_is_sampled.get()
        _next_root_is_sampled.set(False)
        if not is_chosen and current().traceparent:
            return SamplingResult(Decision.DROP)  # the request's trace is not recorded, and stays so
        sampler = ALWAYS_ON if is_chosen else self._share
        return sampler.should_sample(parent_context, trace_id, name, kind, attributes, links, trace_state)

    @override
    def get_description(self) -> str:
        return f"ChosenOr({self._share.get_description()})"
