"""What is known of each request afterwards: a duration, a span, a log line.

Every request has an id and a trace. A stranger's trace is linked to and not
adopted: it could name any trace it likes, and have all of its requests recorded.
Unsampled requests make no span, but keep one trace id that logs and services name.
"""

import random
import re
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Final

from opentelemetry import trace
from opentelemetry.context import Context
from opentelemetry.trace import Link, Span, SpanContext, SpanKind, Status, StatusCode, Tracer

from gateway.addresses import Network, client_address, is_within
from gateway.health import PAGES
from gateway.incoming import Head
from servicekit import context
from servicekit.admission import new_traceparent
from servicekit.clock import MakeId
from servicekit.context import RequestContext
from servicekit.correlation import trace_place
from servicekit.instruments import Histogram
from servicekit.logs import logger
from servicekit.tracing import context_from_traceparent, sample_next_root

UNMATCHED: Final = "unmatched"
"""The route of a request that leads nowhere."""
CLIENT_GONE: Final = 499
"""The status of a request whose client did not wait for one (nginx's number)."""
SLOW_SECONDS: Final = 1.0
"""A request that takes longer is logged, sampled or not."""

_WELL_FORMED_ID = re.compile(r"[A-Za-z0-9._-]{1,64}")

Report = Callable[[Exception, Mapping[str, str]], object]
"""Tells people of an error that is our fault."""

log = logger(__name__)


@dataclass(slots=True)
class Exchange:
    """One request, from its head to the end of its answer."""

    head: Head
    request: RequestContext
    client: str
    span: Span | None
    started: float = field(default_factory=time.perf_counter)
    trace_id: str = ""
    route: str = UNMATCHED
    status: int = CLIENT_GONE
    reason: str = ""


class Signals:
    """Records exchanges.

    Args:
        durations: `http_server_request_duration_seconds`.
        tracer: Makes the span of a sampled request.
        report: Hears of errors that are our fault.
        make_id: Makes the ids of requests that bring none.
        sample_ratio: Share of the traces begun here that are recorded.
        trusted: Networks whose claims about clients and traces are believed.
    """

    def __init__(
        self,
        durations: Histogram,
        tracer: Tracer,
        report: Report,
        make_id: MakeId,
        *,
        sample_ratio: float = 0.0,
        trusted: Sequence[Network] = (),
    ) -> None:
        self._durations = durations
        self._tracer = tracer
        self._report = report
        self._make_id = make_id
        self._sample_ratio = sample_ratio
        self._trusted = trusted

    @contextmanager
    def exchange(self, head: Head) -> Iterator[Exchange]:
        """Follow one request; its context is current until the end."""
        client = client_address(head.peer, head.header(b"x-forwarded-for"), self._trusted)
        given = head.header(b"x-request-id")
        request = RequestContext(given if _WELL_FORMED_ID.fullmatch(given) else self._make_id())
        exchange = Exchange(head, request, client, self._begin(head, request, client))
        with context.scope(request):
            if exchange.span is None:
                yield from self._followed(exchange)
            else:
                with trace.use_span(
                    exchange.span, end_on_exit=True, record_exception=False, set_status_on_exception=False
                ):
                    yield from self._followed(exchange)

    def failed(self, error: Exception) -> str:
        """Record an error that is our fault, once, with its stack; returns the id of the record."""
        error_id = self._make_id()
        log.error("request_failed", exc_info=error, error_id=error_id)
        self._report(error, {"error_id": error_id})
        return error_id

    def _followed(self, exchange: Exchange) -> Iterator[Exchange]:
        exchange.trace_id = trace_place().trace_id
        try:
            yield exchange
        finally:
            self._end(exchange)

    def _begin(self, head: Head, request: RequestContext, client: str) -> Span | None:
        """The request's span if its trace is recorded; else `request` gets its place in a trace."""
        trusted = is_within(client, self._trusted)
        # A stranger's tracestate is of no use, and the library logs each one that is malformed.
        tracestate = head.header(b"tracestate") if trusted else ""
        parent = context_from_traceparent(head.header(b"traceparent"), tracestate)
        remote = trace.get_current_span(parent).get_span_context()
        adopted = remote.is_valid and trusted
        if adopted:
            sampled = remote.trace_flags.sampled
        else:
            sampled = head.path not in PAGES and random.random() < self._sample_ratio  # noqa: S311 - no secret
        if not sampled:
            request.traceparent = _traceparent(remote) if adopted else new_traceparent()
            return None
        if adopted:
            return self._tracer.start_span(head.method, parent, SpanKind.SERVER)
        sample_next_root()
        links = [Link(remote)] if remote.is_valid else []
        return self._tracer.start_span(head.method, Context(), SpanKind.SERVER, links=links)

    def _end(self, exchange: Exchange) -> None:
        seconds = time.perf_counter() - exchange.started
        self._durations.labels(
            http_route=exchange.route,
            http_request_method=exchange.head.method,
            http_response_status_code=str(exchange.status),
        ).observe(seconds)
        if exchange.span is not None:
            _describe(exchange.span, exchange)
        is_error = exchange.status >= 400  # noqa: PLR2004 - where HTTP's errors begin
        if exchange.head.path not in PAGES and (exchange.span or is_error or seconds > SLOW_SECONDS):
            log.info(
                "http_answered",
                method=exchange.head.method,
                route=exchange.route,
                path=exchange.head.path,
                status=exchange.status,
                reason=exchange.reason,
                seconds=round(seconds, 6),
                client=exchange.client,
                caller=exchange.request.caller.subject,
            )


def _traceparent(place: SpanContext) -> str:
    return f"00-{place.trace_id:032x}-{place.span_id:016x}-{place.trace_flags:02x}"


def _describe(span: Span, exchange: Exchange) -> None:
    """Say of a span what OpenTelemetry's HTTP conventions ask for (semantic conventions 1.30)."""
    span.update_name(f"{exchange.head.method} {exchange.route}")
    span.set_attributes(
        {
            "http.request.method": exchange.head.method,
            "http.route": exchange.route,
            "http.response.status_code": exchange.status,
            "url.path": exchange.head.path,
            "url.scheme": "http",
            "client.address": exchange.client,
            "tillmesh.request_id": exchange.request.request_id,
        }
    )
    if exchange.status >= 500:  # noqa: PLR2004 - where our errors begin
        span.set_status(Status(StatusCode.ERROR, exchange.reason))
