"""One call being executed: what it reads and writes, all inside one transaction."""

from __future__ import annotations

import copy
from collections.abc import Callable
from dataclasses import dataclass

from sandbox.stripe import errors
from sandbox.stripe.ledger import Entry, Ledger, Movement
from sandbox.stripe.objects import Object, Objects
from sandbox.stripe.webhooks import Deliveries

API_VERSION = "2026-10-28.endive"
"""What events are rendered in, and what a call without `Stripe-Version` is answered in."""

Now = Callable[[], float]
"""Seconds since the epoch."""
MakeId = Callable[[str], str]
"""Makes an id with the given prefix, such as `pi`."""


@dataclass(frozen=True)
class Books:
    """All that the sandbox writes in."""

    objects: Objects
    ledger: Ledger
    deliveries: Deliveries
    now: Now
    make_id: MakeId


@dataclass(frozen=True)
class Call:
    """Who asked: written on all that follows from the call."""

    request_id: str
    idempotency_key: str
    traceparent: str


@dataclass(frozen=True)
class Unrest:
    """What faults do to a call that is executed all the same.

    Attributes:
        delays: How late each event is delivered, asked for once for each delivery.
        deliveries: How often each event is delivered.
        search_lag_seconds: How old something must be to be found.
    """

    delays: Callable[[], float] = float
    deliveries: int = 1
    search_lag_seconds: float = 0.0


CALM = Unrest()


class Work:
    """What an endpoint may do."""

    def __init__(self, books: Books, call: Call, unrest: Unrest = CALM) -> None:
        self._books = books
        self._call = call
        self._unrest = unrest
        self.objects = books.objects

    @property
    def now(self) -> int:
        """Seconds since the epoch, whole as Stripe gives them."""
        return int(self._books.now())

    @property
    def indexed_until(self) -> float:
        """What was made later than this is not found by a search."""
        lag = self._unrest.search_lag_seconds
        return self._books.now() - lag if lag else self._books.now() + 1

    def make_id(self, prefix: str) -> str:
        """A new id, such as `pi_...`."""
        return self._books.make_id(prefix)

    def find(self, kind: str, identifier: str, *, param: str, status: int = 404) -> Object:
        """The object.

        Raises:
            StripeError: `resource_missing`, with `status`.
        """
        found = self.objects.find(kind, identifier)
        if found is None:
            raise errors.missing(kind, identifier, param=param, status=status)
        return found

    def move(self, movement: Movement, intent: Object, amount: int) -> None:
        """Write one movement of money into the ledger."""
        entry = Entry(
            movement=movement,
            payment_intent=intent["id"],
            order_id=intent["metadata"].get("order_id", ""),
            amount=amount,
            currency=intent["currency"],
            request_id=self._call.request_id,
            idempotency_key=self._call.idempotency_key,
            traceparent=self._call.traceparent,
        )
        self._books.ledger.append(entry, self._books.now())

    def announce(self, happening: str, subject: Object) -> None:
        """Keep an event of type `happening`, and have it delivered."""
        event: Object = {
            "id": self.make_id("evt"),
            "object": "event",
            "api_version": API_VERSION,
            "created": self.now,
            "data": {"object": copy.deepcopy(subject)},
            "livemode": False,
            "pending_webhooks": int(self._books.deliveries.wants(happening)),
            "request": {"id": self._call.request_id, "idempotency_key": self._call.idempotency_key or None},
            "type": happening,
        }
        self.objects.save(event)
        for _ in range(self._unrest.deliveries if self._books.deliveries.wants(happening) else 0):
            self._books.deliveries.queue(event["id"], self._books.now() + self._unrest.delays())
