"""Stripe, through its own library: PaymentIntents that are made, then held, then captured.

Making an intent moves no money, so it may be repeated under any key; holding, capturing
and cancelling are done at most once to one intent, whatever the key. So a key that
Stripe has burnt (a kept failure, replayed for ever) or forgotten (after a day) is no
danger: the intent is looked at, and asked again under a key derived from the failed
call, so that whoever comes after uses the same. Only a refund is made by its call
alone: one that is asked for again is looked for first. See docs/decisions/0007.

The library repeats nothing. No word of its own leaves this package but Stripe's codes.
"""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Any, Final

import stripe
from opentelemetry.trace import Tracer
from typing_extensions import override

from servicekit.clock import Clock
from servicekit.errors import PeerUnavailable
from servicekit.logs import logger
from services.payments.clients import verdicts
from services.payments.clients.calls import Answer, Call, StripeCalls
from services.payments.clients.transport import Transport
from services.payments.model import (
    Doubt,
    Outcome,
    Payment,
    ProviderKey,
    Refund,
    RefundOutcome,
    Unknown,
)
from services.payments.ports import Provider

if TYPE_CHECKING:
    from stripe import RequestOptions
    from stripe.params import PaymentIntentCreateParams

log = logger(__name__)

_FIRST_ASKING: Final = timedelta(seconds=10)
"""A refund that is older may have been asked for by somebody who died: Stripe forgets keys after a day."""
_MOST_REFUNDS: Final = 100
"""Of one intent, on one page of Stripe's list: nobody gives a basket back in more parts."""


def stripe_client(api_base: str, api_key: str, transport: Transport) -> stripe.StripeClient:
    """The library, told to keep to itself: no repeats, no telemetry, no id in the home directory."""
    stripe.enable_telemetry = False
    return stripe.StripeClient(
        api_key, base_addresses={"api": api_base}, http_client=transport, max_network_retries=0
    )


class StripeProvider(Provider):
    """Holds, takes and gives back money at Stripe.

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
        self._refunds = client.v1.refunds
        self._clock = clock
        self._calls = StripeCalls(clock, tracer, timeout_seconds)

    @override
    async def prepare(self, payment: Payment, key: ProviderKey) -> Outcome:
        return await self._calls.within_bounds(self._prepare(payment, key))

    @override
    async def hold(self, payment: Payment, key: ProviderKey) -> Outcome:
        def confirm(options: RequestOptions) -> Any:  # noqa: ANN401 - the library's own
            # Nobody is at the card who could answer a challenge.
            return self._intents.confirm_async(
                payment.provider_id, {"error_on_requires_action": True}, options
            )

        return await self._calls.within_bounds(self._once("payment_intents.confirm", payment, confirm, key))

    @override
    async def capture(self, payment: Payment, key: ProviderKey) -> Outcome:
        def capture(options: RequestOptions) -> Any:  # noqa: ANN401 - as above
            part: Any = {"amount_to_capture": payment.pending_minor}
            return self._intents.capture_async(payment.provider_id, part, options)

        return await self._calls.within_bounds(self._once("payment_intents.capture", payment, capture, key))

    @override
    async def cancel(self, payment: Payment, key: ProviderKey) -> Outcome:
        def cancel(options: RequestOptions) -> Any:  # noqa: ANN401 - as above
            return self._intents.cancel_async(payment.provider_id, {}, options)

        return await self._calls.within_bounds(self._once("payment_intents.cancel", payment, cancel, key))

    @override
    async def refund(self, payment: Payment, refund: Refund, key: ProviderKey) -> RefundOutcome:
        return await self._calls.within_bounds(self._refund(payment, refund, key))

    @override
    async def look(self, payment: Payment) -> Outcome:
        return await self._calls.within_bounds(self._look(payment))

    @override
    async def ping(self) -> None:
        try:
            await self._calls.once(
                "payment_intents.list", lambda options: self._intents.list_async({"limit": 1}, options)
            )
        except stripe.StripeError as error:
            raise PeerUnavailable(f"Stripe does not answer as it should ({type(error).__name__})") from error

    async def _prepare(self, payment: Payment, key: ProviderKey) -> Outcome:
        wanted: PaymentIntentCreateParams = {
            "amount": payment.amount.minor_units,
            "currency": payment.amount.currency_code.lower(),
            "payment_method": payment.payment_method,
            "allowed_payment_method_types": ["card"],
            "capture_method": "manual",
            "metadata": {"order_id": payment.order_id, "payment_id": payment.id},
        }
        # Holding is asked for under the key itself: another call needs another key.
        first = attempt = ProviderKey(f"{key}:prepare")
        while True:
            try:
                intent = await self._calls.ask(
                    "payment_intents.create",
                    lambda options: self._intents.create_async(wanted, options),
                    attempt,
                )
            except stripe.StripeError as error:
                if not (burnt_by := verdicts.burnt_by(error)):
                    return _verdict(error)
                # What stands behind the failure, if anything does, holds nothing and never will.
                attempt = ProviderKey(f"{first}:{burnt_by}")
            else:
                return verdicts.of_intent(intent)

    async def _once(self, operation: str, payment: Payment, call: Call, key: ProviderKey) -> Outcome:
        """Do something to the intent that can be done to it once only."""
        attempt = key
        before = verdicts.standing_before(operation)
        while True:
            try:
                intent = await self._calls.ask(operation, call, attempt)
            except stripe.StripeError as error:
                burnt_by = verdicts.burnt_by(error)
                outcome = _verdict(error) if not burnt_by else await self._look(payment)
                if not burnt_by or not isinstance(outcome, before):
                    return outcome
                attempt = ProviderKey(f"{key}:{burnt_by}")
            else:
                return verdicts.of_intent(intent)

    async def _refund(self, payment: Payment, refund: Refund, key: ProviderKey) -> RefundOutcome:
        attempt = key
        look_first = refund.asks > 0 or self._clock.now() - refund.created_at > _FIRST_ASKING
        while True:
            try:
                if look_first and (found := await self._find_refund(payment, refund)) is not None:
                    return verdicts.of_refund(found)
                return verdicts.of_refund(await self._ask_refund(payment, refund, attempt))
            except stripe.StripeError as error:
                if not (burnt_by := verdicts.burnt_by(error)):
                    return _refund_verdict(error)
                look_first = True
                attempt = ProviderKey(f"{key}:{burnt_by}")

    async def _ask_refund(self, payment: Payment, refund: Refund, key: ProviderKey) -> Answer:
        wanted: Any = {
            "payment_intent": payment.provider_id,
            "amount": refund.minor_units,
            "metadata": {"payment_id": payment.id, "refund_id": refund.id},
        }
        return await self._calls.ask(
            "refunds.create", lambda options: self._refunds.create_async(wanted, options), key
        )

    async def _find_refund(self, payment: Payment, refund: Refund) -> Answer | None:
        """The refund of this name. Lists do not lag, as Stripe's search does: what is not there is not."""
        wanted: Any = {"payment_intent": payment.provider_id, "limit": _MOST_REFUNDS}
        page = await self._calls.ask(
            "refunds.list", lambda options: self._refunds.list_async(wanted, options)
        )
        names = ((each.get("metadata") or {}).get("refund_id") for each in page["data"])
        return next((each for each, name in zip(page["data"], names, strict=True) if name == refund.id), None)

    async def _look(self, payment: Payment) -> Outcome:
        try:
            intent = await self._calls.ask(
                "payment_intents.retrieve",
                lambda options: self._intents.retrieve_async(payment.provider_id, {}, options),
            )
        except stripe.StripeError as error:
            return _verdict(error)
        return verdicts.of_intent(intent)


def _verdict(error: stripe.StripeError) -> Outcome:
    outcome = verdicts.of_error(error)
    _complain(error, outcome)
    return outcome


def _refund_verdict(error: stripe.StripeError) -> RefundOutcome:
    outcome = verdicts.of_refund_error(error)
    _complain(error, outcome)
    return outcome


def _complain(error: stripe.StripeError, outcome: Outcome | RefundOutcome) -> None:
    """Tell of a call that Stripe refuses because it is wrong: nobody but us can mend that."""
    if outcome == Unknown(Doubt.NOT_UNDERSTOOD):
        log.error(
            "provider_refused_call",
            error_type=type(error).__name__,
            status=error.http_status,
            code=error.code,
            provider_request_id=error.request_id,
        )
