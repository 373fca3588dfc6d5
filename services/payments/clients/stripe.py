"""Stripe, through its own library: PaymentIntents that are held first and captured later.

Every call that moves money names its idempotency key. The library repeats nothing:
what Stripe says it did not do is repeated here, what it may have done is told as
unknown, and whoever asks again asks under the same key. No word of the library's
leaves this package but Stripe's codes.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Coroutine, Mapping
from typing import TYPE_CHECKING, Any, Final

import stripe
from opentelemetry import trace
from opentelemetry.trace import SpanKind, StatusCode, Tracer
from typing_extensions import override

from servicekit.clock import Clock
from servicekit.context import current
from servicekit.errors import PeerUnavailable
from servicekit.logs import logger
from servicekit.tracing import current_traceparent
from services.payments.clients import verdicts
from services.payments.clients.transport import Transport
from services.payments.model import Authorized, Doubt, Outcome, Payment, ProviderKey, Unknown
from services.payments.ports import Provider

if TYPE_CHECKING:
    from stripe import RequestOptions
    from stripe.params import PaymentIntentCreateParams

log = logger(__name__)

Intent = Mapping[str, Any]
Call = Callable[["RequestOptions"], Awaitable[stripe.StripeObject]]

_PAUSES_SECONDS: Final = (0.05, 0.1, 0.2, 0.4, 0.8, 0.8, 0.8, 0.8)
"""Between repeats of what Stripe says it did not do: a key in use, a rate limit."""
_LONGEST_PAUSE_SECONDS: Final = 1.0
_RESERVE_SECONDS: Final = 0.5
"""Of the caller's time: to keep what came of it, and to answer."""


def stripe_client(api_base: str, api_key: str, transport: Transport) -> stripe.StripeClient:
    """The library, told to keep to itself: no repeats, no telemetry, no id in the home directory."""
    stripe.enable_telemetry = False
    return stripe.StripeClient(
        api_key, base_addresses={"api": api_base}, http_client=transport, max_network_retries=0
    )


class StripeProvider(Provider):
    """Holds and takes money at Stripe.

    Args:
        client: From `stripe_client`.
        clock: Time.
        tracer: Makes a span for each call, where the request that runs is traced.
        timeout_seconds: Bound on one asking, repeats included.
    """

    def __init__(
        self, client: stripe.StripeClient, clock: Clock, tracer: Tracer, timeout_seconds: float
    ) -> None:
        self._intents = client.v1.payment_intents
        self._clock = clock
        self._tracer = tracer
        self._timeout_seconds = timeout_seconds

    @override
    async def authorize(self, payment: Payment, key: ProviderKey) -> Outcome:
        return await self._within_bounds(self._authorize(payment, key))

    @override
    async def capture(self, payment: Payment, key: ProviderKey) -> Outcome:
        return await self._within_bounds(self._capture(payment, key))

    @override
    async def look(self, payment: Payment) -> Outcome:
        return await self._within_bounds(self._look(payment))

    @override
    async def ping(self) -> None:
        try:
            await self._observed("list", lambda options: self._intents.list_async({"limit": 1}, options))
        except stripe.StripeError as error:
            raise PeerUnavailable(f"Stripe does not answer as it should ({type(error).__name__})") from error

    async def _authorize(self, payment: Payment, key: ProviderKey) -> Outcome:
        wanted: PaymentIntentCreateParams = {
            "amount": payment.amount.minor_units,
            "currency": payment.amount.currency_code.lower(),
            "payment_method": payment.payment_method,
            "allowed_payment_method_types": ["card"],
            "capture_method": "manual",
            "confirm": True,
            # Nobody is at the card who could answer a challenge.
            "error_on_requires_action": True,
            "metadata": {"order_id": payment.order_id, "payment_id": payment.id},
        }

        def create(options: RequestOptions) -> Awaitable[stripe.StripeObject]:
            return self._intents.create_async(wanted, options)

        try:
            intent = await self._ask("create", create, key)
        except stripe.StripeError as error:
            return await self._search(payment) if verdicts.burnt_by(error) else _verdict(error)
        return verdicts.of_intent(intent)

    async def _search(self, payment: Payment) -> Outcome:
        """What stands under the payment's name. Stripe's index lags: finding nothing proves nothing."""
        query = f"metadata['payment_id']:'{payment.id}'"
        try:
            found = await self._ask(
                "search", lambda options: self._intents.search_async({"query": query, "limit": 2}, options)
            )
        except stripe.StripeError as error:
            return _verdict(error)
        match found["data"]:
            case [only]:
                return verdicts.of_intent(only)
            case _:
                return Unknown(Doubt.PROVIDER_ERROR)

    async def _capture(self, payment: Payment, key: ProviderKey) -> Outcome:
        """Capture once.

        A key whose kept answer is a failure is of no more use. Another is safe, because
        a PaymentIntent is captured at most once under any key; it is derived from the
        failed call, so that whoever comes after uses the same.
        """
        attempt = key
        while True:
            try:
                intent = await self._ask(
                    "capture",
                    lambda options: self._intents.capture_async(payment.provider_id, {}, options),
                    attempt,
                )
            except stripe.StripeError as error:
                burnt_by = verdicts.burnt_by(error)
                if not burnt_by:
                    return _verdict(error)
                standing = await self._look(payment)
                if not isinstance(standing, Authorized):
                    return standing
                attempt = ProviderKey(f"{key}:{burnt_by}")
            else:
                return verdicts.of_intent(intent)

    async def _look(self, payment: Payment) -> Outcome:
        try:
            intent = await self._ask(
                "retrieve", lambda options: self._intents.retrieve_async(payment.provider_id, {}, options)
            )
        except stripe.StripeError as error:
            return _verdict(error)
        return verdicts.of_intent(intent)

    async def _within_bounds(self, asking: Coroutine[Any, Any, Outcome]) -> Outcome:
        limit = self._timeout_seconds
        deadline = current().deadline
        if deadline is not None:
            limit = min(limit, deadline - self._clock.monotonic() - _RESERVE_SECONDS)
        try:
            async with asyncio.timeout(limit):
                return await asking
        except TimeoutError:
            return Unknown(Doubt.TIMEOUT)

    async def _ask(self, operation: str, call: Call, key: ProviderKey | None = None) -> Intent:
        """The answer; calls that Stripe says it did not execute are repeated for a while."""
        for pause in _PAUSES_SECONDS:
            try:
                return await self._observed(operation, call, key)
            except stripe.StripeError as error:
                wait = max(pause, verdicts.retry_after_seconds(error))
                if not verdicts.did_nothing(error) or wait > _LONGEST_PAUSE_SECONDS:
                    raise
            await self._clock.sleep(wait)
        return await self._observed(operation, call, key)

    async def _observed(self, operation: str, call: Call, key: ProviderKey | None = None) -> Intent:
        if not trace.get_current_span().is_recording():
            return (await call(_options(key))).to_dict()
        with self._tracer.start_as_current_span(
            f"stripe payment_intents.{operation}",
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


def _verdict(error: stripe.StripeError) -> Outcome:
    outcome = verdicts.of_error(error)
    if outcome == Unknown(Doubt.NOT_UNDERSTOOD):
        log.error(
            "provider_refused_call",
            error_type=type(error).__name__,
            status=error.http_status,
            code=error.code,
            provider_request_id=error.request_id,
        )
    return outcome
