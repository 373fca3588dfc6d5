"""Events: what happened, as Stripe tells it. Kept for good here; Stripe keeps them 30 days.

Source: https://docs.stripe.com/api/events.
"""

from __future__ import annotations

from sandbox.stripe.objects import Object, Page
from sandbox.stripe.work import Work

KIND = "event"
URL = "/v1/events"


def retrieve(work: Work, identifier: str, _: None) -> Object:
    """One event."""
    return work.find(KIND, identifier, param="id")


def listed(work: Work, _: str, page: Page) -> Object:
    """Events, newest first."""
    return work.objects.page(KIND, page, URL)
