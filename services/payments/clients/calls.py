"""Calls of Stripe's library: bounded, traced, and repeated where Stripe says it did nothing."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Coroutine, Mapping
from typing import TYPE_CHECKING, Any, Final, TypeVar

import stripe
from opentelemetry import trace
from opentelemetry.trace import SpanKind, StatusCode, Tracer

from servicekit.clock import Clock
from servicekit.context import current
from servicekit.tracing import current_traceparent
from services.payments.clients import verdicts
from services.payments.model import Doubt, ProviderKey, Unknown

if TYPE_CHECKING:
    from stripe import RequestOptions

T = TypeVar("T")
Answer = Mapping[str, Any]
"""One object of Stripe's."""
Call = Callable[["RequestOptions"], Awaitable[stripe.StripeObject]]

_PAUSES_SECONDS: Final = (0.05, 0.1, 0.2, 0.4, 0.8, 0.8, 0.8, 0.8)
"""Between repeats of what Stripe says it did not do: a key in use, a rate limit."""
_LONGEST_PAUSE_SECONDS: Final = 1.0
_RESERVE_SECONDS: Final = 0.5
"""Of the caller's time: to keep what came of it, and to answer."""


class StripeCalls:
    """Makes calls.

    Args:
        clock: Time.
        tracer: Makes a span for each call, where the request that runs is traced.
        timeout_seconds: Bound on one asking, repeats included.
    """

    def __init__(self, clock: Clock, tracer: Tracer, timeout_seconds: float) -> None:
        self._clock = clock
        self._tracer = tracer
        self._timeout_seconds = timeout_seconds

    async def within_bounds(self, asking: Coroutine[Any, Any, T]) -> T | Unknown:
        """What comes of one asking, or that nothing came of it in time."""
        limit = self._timeout_seconds
        deadline = current().deadline
        if deadline is not None:
            limit = min(limit, deadline - self._clock.monotonic() - _RESERVE_SECONDS)
        try:
            async with asyncio.timeout(limit):
                return await asking
        except TimeoutError:
            return Unknown(Doubt.TIMEOUT)

    async def ask(self, operation: str, call: Call, key: ProviderKey | None = None) -> Answer:
        """The answer; calls that Stripe says it did not execute are repeated for a while."""
        for pause in _PAUSES_SECONDS:
            try:
                return await self.once(operation, call, key)
            except stripe.StripeError as error:
                wait = max(pause, verdicts.retry_after_seconds(error))
                if not verdicts.did_nothing(error) or wait > _LONGEST_PAUSE_SECONDS:
                    raise
            await self._clock.sleep(wait)
        return await self.once(operation, call, key)

    async def once(self, operation: str, call: Call, key: ProviderKey | None = None) -> Answer:
        """The answer to one call."""
        if not trace.get_current_span().is_recording():
            return (await call(_options(key))).to_dict()
        with self._tracer.start_as_current_span(
            f"stripe {operation}",
            kind=SpanKind.CLIENT,
            attributes={"peer.service": "stripe"},
            record_exception=False,  # Its text is the library's, and may quote what was sent.
            set_status_on_exception=False,
        ) as span:
            try:
                return (await call(_options(key))).to_dict()
            except stripe.StripeError as error:
                span.set_attribute("error.type", type(error).__name__)
                span.set_attribute("http.response.status_code", error.http_status or 0)
                span.set_status(StatusCode.ERROR)
                raise


def _options(key: ProviderKey | None) -> RequestOptions:
    """What a call carries beside its parameters: its key, and the place in the trace that it is made from."""
    options: RequestOptions = {}
    if key is not None:
        options["idempotency_key"] = key
    if traceparent := current_traceparent():
        options["headers"] = {"traceparent": traceparent}
    return options
