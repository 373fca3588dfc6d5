"""Idempotency keys, as API v1 keeps them.

The status and body of the first request are kept once its execution has begun,
whatever they are: a 500 is replayed for ever. What was refused before (validation,
a rate limit, a key in use) is not kept.
Source: https://docs.stripe.com/api/idempotent_requests.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from contextlib import contextmanager

from sandbox.stripe import errors
from sandbox.stripe.errors import Answer
from sandbox.stripe.store import Store

LONGEST_KEY = 255

_TABLE = """
    CREATE TABLE IF NOT EXISTS answers (
        key TEXT PRIMARY KEY,
        fingerprint TEXT NOT NULL,
        status INTEGER NOT NULL,
        body TEXT NOT NULL,
        headers TEXT NOT NULL,
        request_id TEXT NOT NULL
    ) WITHOUT ROWID
"""


def fingerprint(method: str, path: str, pairs: list[tuple[str, str]]) -> str:
    """Equal for two requests exactly when Stripe takes them for the same one."""
    return hashlib.sha256(json.dumps([method, path, pairs]).encode()).hexdigest()


class Keys:
    """Which keys are being used, and what the used ones were answered."""

    def __init__(self, store: Store) -> None:
        store.execute(_TABLE)
        self._store = store
        self._in_flight: set[str] = set()

    def replay(self, key: str, print_: str) -> Answer | None:
        """The answer that was kept for `key`; `None` for a key not used before.

        Raises:
            StripeError: The key was used for another request.
        """
        row = self._store.row("SELECT * FROM answers WHERE key = ?", key)
        if row is None:
            return None
        if row["fingerprint"] != print_:
            raise errors.key_reused(key)
        headers = {"Idempotent-Replayed": "true", "Original-Request": row["request_id"]}
        return Answer(row["status"], json.loads(row["body"]), {**json.loads(row["headers"]), **headers})

    def keep(self, key: str, print_: str, answer: Answer, request_id: str) -> None:
        """Answer every later request with `key` by this."""
        self._store.execute(
            "INSERT INTO answers VALUES (?, ?, ?, ?, ?, ?)",
            key,
            print_,
            answer.status,
            json.dumps(answer.body),
            json.dumps(answer.headers),
            request_id,
        )

    @contextmanager
    def in_flight(self, key: str) -> Iterator[None]:
        """Hold `key` for the request that is being executed.

        Raises:
            StripeError: Another request holds it.
        """
        if key in self._in_flight:
            raise errors.key_in_use(key)
        self._in_flight.add(key)
        try:
            yield
        finally:
            self._in_flight.remove(key)
