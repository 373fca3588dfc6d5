"""What must work for payments to do its part. PostgreSQL is checked by the kit."""

from __future__ import annotations

from servicekit.checks import Check
from services.payments.ports import Provider

_PERIOD_SECONDS = 5.0
"""Stripe allows a hundred calls a second to all of us; a probe now and then is no burden."""
_FAILURES_TO_GO_DOWN = 2


def provider_check(provider: Provider) -> Check:
    """Publishes `dependency/stripe`. Without Stripe payments stay UNKNOWN, and we stay ready."""
    return Check(
        "stripe",
        provider.ping,
        own=False,
        period_seconds=_PERIOD_SECONDS,
        failures_to_go_down=_FAILURES_TO_GO_DOWN,
    )
