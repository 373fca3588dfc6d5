"""Webhooks: every event is posted, signed, to the configured URL until it is taken.

What is still to be delivered is kept with the event, so it outlives the process.
Deliveries repeat, and may arrive out of order, as Stripe's do.
Source: https://docs.stripe.com/webhooks#verify-manually and #retries.
"""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import hmac
import http.client
import logging
from collections.abc import Callable
from dataclasses import dataclass
from urllib.parse import urlsplit

from sandbox.stripe.store import Store

log = logging.getLogger(__name__)

_TABLES = (
    """
    CREATE TABLE IF NOT EXISTS pending_deliveries (
        number INTEGER PRIMARY KEY,
        event_id TEXT NOT NULL,
        due REAL NOT NULL,
        attempts INTEGER NOT NULL DEFAULT 0
    )
    """,
    "CREATE INDEX IF NOT EXISTS pending_deliveries_by_due ON pending_deliveries (due)",
)

_USUAL_DELAY_SECONDS = 0.25
"""Stripe answers first, and tells the endpoint then."""
_TIMEOUT_SECONDS = 5.0
_FIRST_RETRY_SECONDS = 0.5
_LONGEST_RETRY_SECONDS = 60.0
_IDLE_SECONDS = 3600.0
"""How long to sleep when nothing is due: a new event wakes the courier anyway."""


@dataclass(frozen=True)
class Destination:
    """Where events go.

    Attributes:
        url: The endpoint.
        secret: What both ends share (`whsec_...`).
        events: The types that the endpoint wants, such as `refund.created`; all if empty.
    """

    url: str
    secret: str
    events: frozenset[str] = frozenset()


@dataclass(frozen=True)
class Delivery:
    """One event on its way to the endpoint."""

    number: int
    event_id: str
    due: float
    attempts: int
    body: str


def signature(secret: str, payload: bytes, at: int) -> str:
    """The `Stripe-Signature` header for `payload`, sent `at` seconds since the epoch."""
    digest = hmac.new(secret.encode(), b"%d." % at + payload, hashlib.sha256).hexdigest()
    return f"t={at},v1={digest}"


class Deliveries:
    """The events that are still to be delivered."""

    def __init__(self, store: Store, destination: Destination | None) -> None:
        for statement in _TABLES:
            store.execute(statement)
        self._store = store
        self.destination = destination
        self.added = asyncio.Event()

    def wants(self, happening: str) -> bool:
        """True when there is somewhere to deliver an event of this type to."""
        return self.destination is not None and happening in (self.destination.events or {happening})

    def queue(self, event_id: str, due: float) -> None:
        """Deliver an event from `due` on, in seconds since the epoch; again if it is queued again."""
        due += _USUAL_DELAY_SECONDS
        self._store.execute("INSERT INTO pending_deliveries (event_id, due) VALUES (?, ?)", event_id, due)
        self.added.set()

    def first(self) -> Delivery | None:
        """The next one."""
        row = self._store.row(
            "SELECT number, event_id, due, attempts, body FROM pending_deliveries "
            "JOIN objects ON id = event_id ORDER BY due, number LIMIT 1"
        )
        return None if row is None else Delivery(**dict(row))

    def done(self, delivery: Delivery) -> None:
        """It was taken."""
        self._store.execute("DELETE FROM pending_deliveries WHERE number = ?", delivery.number)

    def postpone(self, delivery: Delivery, due: float) -> None:
        """It was not taken: try again from `due` on."""
        self._store.execute(
            "UPDATE pending_deliveries SET due = ?, attempts = attempts + 1 WHERE number = ?",
            due,
            delivery.number,
        )


class Courier:
    """Delivers, one event at a time, for as long as it runs."""

    def __init__(self, deliveries: Deliveries, now: Callable[[], float]) -> None:
        self._deliveries = deliveries
        self._now = now

    async def run(self) -> None:
        """Deliver what is due, for ever. Cancel to stop; what was cut short is repeated."""
        if self._deliveries.destination is None:
            return
        while True:
            self._deliveries.added.clear()
            upcoming = self._deliveries.first()
            wait = _IDLE_SECONDS if upcoming is None else upcoming.due - self._now()
            if upcoming is None or wait > 0:
                with contextlib.suppress(TimeoutError):
                    await asyncio.wait_for(self._deliveries.added.wait(), wait)
                continue
            await self._deliver(self._deliveries.destination, upcoming)

    async def _deliver(self, destination: Destination, delivery: Delivery) -> None:
        payload = delivery.body.encode()
        header = signature(destination.secret, payload, int(self._now()))
        try:
            status = await asyncio.to_thread(_post, destination.url, payload, header)
        except (OSError, http.client.HTTPException) as error:
            log.warning("webhook %s failed: %s", delivery.event_id, type(error).__name__)
            status = 0
        if 200 <= status < 300:  # noqa: PLR2004 - the class of success, RFC 9110
            self._deliveries.done(delivery)
        else:
            wait = min(_FIRST_RETRY_SECONDS * 2**delivery.attempts, _LONGEST_RETRY_SECONDS)
            self._deliveries.postpone(delivery, self._now() + wait)


def _post(url: str, payload: bytes, header: str) -> int:
    """Post once, and return the status. Runs in a thread: the standard client blocks."""
    parts = urlsplit(url)
    secure = parts.scheme == "https"
    connect = http.client.HTTPSConnection if secure else http.client.HTTPConnection
    connection = connect(parts.hostname or "", parts.port, timeout=_TIMEOUT_SECONDS)
    path = parts.path or "/"
    target = f"{path}?{parts.query}" if parts.query else path
    headers = {
        "Content-Type": "application/json; charset=utf-8",
        "Stripe-Signature": header,
        "User-Agent": "Stripe/1.0 (+https://stripe.com/docs/webhooks)",
    }
    try:
        connection.request("POST", target, body=payload, headers=headers)
        return connection.getresponse().status
    finally:
        connection.close()
