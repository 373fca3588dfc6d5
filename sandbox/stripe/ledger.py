"""What moved, in the order it moved: append-only, written with the change it tells of.

This is the judge of tests. Stripe has nothing like it, and it is not derived from
the objects: an object that says one thing and a ledger that says another is a bug.
For one intent, `authorised - captured - cancelled` is what is still held.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from sandbox.stripe.store import Store

_TABLES = (
    """
    CREATE TABLE IF NOT EXISTS ledger (
        sequence INTEGER PRIMARY KEY AUTOINCREMENT,
        at REAL NOT NULL,
        movement TEXT NOT NULL,
        payment_intent TEXT NOT NULL,
        order_id TEXT NOT NULL,
        amount INTEGER NOT NULL,
        currency TEXT NOT NULL,
        request_id TEXT NOT NULL,
        idempotency_key TEXT NOT NULL,
        traceparent TEXT NOT NULL
    )
    """,
    "CREATE INDEX IF NOT EXISTS ledger_by_order ON ledger (order_id)",
    "CREATE INDEX IF NOT EXISTS ledger_by_intent ON ledger (payment_intent)",
)

FILTERS = ("movement", "order_id", "payment_intent")


class Movement(StrEnum):
    """What can happen to money."""

    AUTHORISED = "authorised"
    """Held on the card."""
    CAPTURED = "captured"
    """Taken from what is held."""
    REFUNDED = "refunded"
    """Given back from what was taken."""
    CANCELLED = "cancelled"
    """Let go of what was held: by a cancellation, or by a capture of less."""


@dataclass(frozen=True)
class Entry:
    """One movement, and the call that caused it."""

    movement: Movement
    payment_intent: str
    order_id: str
    amount: int
    currency: str
    request_id: str
    idempotency_key: str
    traceparent: str


class Ledger:
    """The book of movements."""

    def __init__(self, store: Store) -> None:
        for statement in _TABLES:
            store.execute(statement)
        self._store = store

    def append(self, entry: Entry, at: float) -> None:
        """Write one movement, `at` seconds since the epoch."""
        self._store.execute(
            "INSERT INTO ledger (at, movement, payment_intent, order_id, amount, currency, request_id, "
            "idempotency_key, traceparent) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
            at,
            entry.movement,
            entry.payment_intent,
            entry.order_id,
            entry.amount,
            entry.currency,
            entry.request_id,
            entry.idempotency_key,
            entry.traceparent,
        )

    def entries(self, filters: dict[str, str]) -> list[dict[str, Any]]:
        """The movements in order, of those that match every filter (see `FILTERS`)."""
        conditions = "".join(f" AND {name} = ?" for name in FILTERS if name in filters)
        values = [filters[name] for name in FILTERS if name in filters]
        # Only names from FILTERS are put together; every value is bound.
        query = f"SELECT * FROM ledger WHERE TRUE{conditions} ORDER BY sequence"  # noqa: S608
        return [dict(row) for row in self._store.rows(query, *values)]
