"""News as the payload of a job, and back."""

from __future__ import annotations

from typing import Any, Final

from servicekit.outbox import Job
from servicekit.postgres import Query
from services.payments.model import (
    Authorized,
    Captured,
    Declined,
    GivenBack,
    IntentNews,
    News,
    Outcome,
    PaymentId,
    ProviderId,
    RefundId,
    RefundNews,
    RefundOutcome,
    Released,
)

KIND: Final = "provider_news"

HEAR: Final = Query(
    "provider_news.insert",
    "INSERT INTO provider_news (event_id, heard_at) VALUES ($1, $2) ON CONFLICT (event_id) DO NOTHING",
)
FORGET: Final = Query("provider_news.forget", "DELETE FROM provider_news WHERE heard_at < $1")


class NewsUnreadable(Exception):
    """A job holds what no release of ours has written."""


def payload_of(news: News) -> dict[str, Any]:
    """All that is worked on later."""
    match news:
        case IntentNews(_, payment_id, provider_id, outcome):
            return {"payment_id": payment_id, "provider_id": provider_id, **_told(outcome)}
        case RefundNews(_, payment_id, refund_id, outcome):
            return {"payment_id": payment_id, "refund_id": refund_id, **_told(outcome)}


def news_of(job: Job) -> News:
    """The news that a job was added for."""
    told = job.payload
    payment_id = PaymentId(told["payment_id"])
    if "refund_id" in told:
        return RefundNews(job.key, payment_id, RefundId(told["refund_id"]), _refund_outcome(told))
    return IntentNews(job.key, payment_id, ProviderId(told["provider_id"]), _outcome(told))


def _told(outcome: Outcome | RefundOutcome) -> dict[str, Any]:
    match outcome:
        case Authorized(name):
            return {"outcome": "authorized", "name": name}
        case Captured(name, minor_units):
            return {"outcome": "captured", "name": name, "minor_units": minor_units}
        case Released(name):
            return {"outcome": "released", "name": name}
        case GivenBack(name):
            return {"outcome": "given_back", "name": name}
        case Declined(reason, name):
            return {"outcome": "declined", "name": name, "reason": reason}
        case _:
            raise NewsUnreadable("doubt is no news")


def _outcome(told: dict[str, Any]) -> Outcome:
    name = ProviderId(told["name"])
    match told["outcome"]:
        case "authorized":
            return Authorized(name)
        case "captured":
            return Captured(name, told["minor_units"])
        case "released":
            return Released(name)
        case "declined":
            return Declined(told["reason"], name)
        case other:
            raise NewsUnreadable(f"{other} is no outcome of a payment")


def _refund_outcome(told: dict[str, Any]) -> RefundOutcome:
    name = ProviderId(told["name"])
    match told["outcome"]:
        case "given_back":
            return GivenBack(name)
        case "declined":
            return Declined(told["reason"], name)
        case other:
            raise NewsUnreadable(f"{other} is no outcome of a refund")
