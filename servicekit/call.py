"""One call that a service answers, from its metadata to its record.

Made by the chain for each call, and used by nobody else.
"""

from __future__ import annotations

import asyncio
import time
from dataclasses import dataclass, field
from typing import Any, NoReturn, TypeAlias

import grpc
from opentelemetry import trace

from servicekit import context as requests
from servicekit.admission import TRACEPARENT, Admission, adopted, new_traceparent
from servicekit.clock import uuid7
from servicekit.errors import DeadlineExceeded, Kind, Refusal
from servicekit.instruments import Histogram
from servicekit.logs import logger
from servicekit.methods import MethodRule
from servicekit.sentry import ErrorReporter
from servicekit.status import ERROR_ID, code_of, trailers_of

log = logger(__name__)

REPORT_SECONDS = 0.02
"""Kept back from each deadline to tell the caller that it passed (boulder's rule)."""
SLOW_SECONDS = 1.0
"""A call that takes longer is logged, sampled or not."""
GONE_SECONDS = 1.0
"""Longest wait for gRPC to cancel a call that it could not send to."""

# Generic in its stub only.
Context: TypeAlias = "grpc.aio.ServicerContext[Any, Any]"


class Internal(Refusal):
    """Our fault; the error id names our record of it."""

    kind = Kind.INTERNAL
    reason = "INTERNAL"


class TooManyCalls(Refusal):
    """This process works on as many calls as it can."""

    kind = Kind.RESOURCE_EXHAUSTED
    reason = "TOO_MANY_CALLS"


@dataclass
class Surroundings:
    """What all calls of one server share.

    Attributes:
        admission: Who may call.
        durations: Where durations are counted.
        reporter: Who hears of errors that are our fault.
        most_calls: Calls worked on at once; more are refused.
        running: The tasks of those that are worked on.
    """

    admission: Admission
    durations: Histogram
    reporter: ErrorReporter
    most_calls: int
    running: set[asyncio.Task[Any]] = field(default_factory=set)


class Call:
    """One call. `end()` must follow, in the task that made it.

    Args:
        around: What it shares with the others.
        rule: What the proto says about its RPC.
        context: gRPC's side of it.
        sampled: True where a span was made for it.
    """

    __slots__ = (
        "_around",
        "_budget",
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

    def __init__(self, around: Surroundings, rule: MethodRule, context: Context, *, sampled: bool) -> None:
        self._started = time.perf_counter()
        self._around = around
        self._rule = rule
        self._context = context
        self._sampled = sampled
        self._code = grpc.StatusCode.OK
        self._budget: asyncio.Timeout | None = None
        # Binary values end in -bin, and nothing here reads one.
        self._metadata: dict[str, Any] = dict(context.invocation_metadata() or ())
        self._remaining: float | None = context.time_remaining()
        self._request = around.admission.read(self._metadata, self._remaining)
        if sampled:
            trace.get_current_span().set_attribute("tillmesh.request_id", self._request.request_id)
        else:
            self._request.traceparent = adopted(self._metadata.get(TRACEPARENT, "")) or new_traceparent()
        self._entered = requests.enter(self._request)
        self._task = asyncio.current_task()
        if self._task is not None:
            around.running.add(self._task)

    def within(self, default_seconds: float | None) -> asyncio.Timeout:
        """The time this call may take, admission included; sets the deadline where the caller named none."""
        if self._remaining is not None:
            self._budget = asyncio.timeout(self._remaining - REPORT_SECONDS)
        else:
            self._budget = asyncio.timeout(default_seconds)
            if default_seconds is not None:
                self._request.deadline = time.monotonic() + default_seconds
        return self._budget

    async def admit(self) -> None:
        """Return when the call may begin.

        Raises:
            Refusal: It may not.
        """
        if len(self._around.running) > self._around.most_calls:
            raise TooManyCalls("this service is busy; repeat in a moment", retry_after_seconds=1)
        await self._around.admission.admit(self._rule, self._request, self._metadata, self._remaining)

    async def send(self, response: object) -> None:
        """Send one message of a stream of responses."""
        try:
            await self._context.write(response)
        except grpc.aio.InternalError:
            # The caller is gone. gRPC cancels this task in a moment: let it, before the handler cleans up.
            await asyncio.sleep(GONE_SECONDS)
            raise

    async def fail(self, error: BaseException) -> NoReturn:
        """Answer with what went wrong, never with a library's words; a caller that is gone gets no answer."""
        if self._is_given_up(error):
            self._code = grpc.StatusCode.CANCELLED
            raise asyncio.CancelledError from None  # which gRPC takes quietly
        refusal = self._refusal(error)
        self._code = code_of(refusal)
        try:
            await self._context.abort(self._code, refusal.message, trailers_of(refusal))
        except grpc.aio.BaseError as ended:
            # Else whatever describes this, such as a span, would quote `error` beside it.
            raise ended from None

    def end(self) -> None:
        """Record the call, and forget it."""
        seconds = time.perf_counter() - self._started
        if self._task is not None:
            self._around.running.discard(self._task)
        self._around.durations.labels(
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

    def _is_given_up(self, error: BaseException) -> bool:
        """True when the caller is gone or the server stops: nobody waits for an answer."""
        if isinstance(error, asyncio.CancelledError):
            # Else the handler awaited something that somebody else cancelled, which is a fault as any other.
            return self._task is not None and self._task.cancelling() > 0
        return isinstance(error, grpc.aio.InternalError)  # gRPC could not send

    def _refusal(self, error: BaseException) -> Refusal:
        if isinstance(error, Refusal):
            return error
        if isinstance(error, TimeoutError) and self._budget is not None and self._budget.expired():
            return DeadlineExceeded("the deadline passed before there was an answer")
        error_id = uuid7()
        log.error("rpc_failed", exc_info=error, rpc=self._rule.path, error_id=error_id)
        self._around.reporter.report(error, tags={ERROR_ID: error_id, "rpc": self._rule.path})
        return Internal("something went wrong on our side", metadata={ERROR_ID: error_id})
