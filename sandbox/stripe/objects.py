"""Stripe's objects, kept as the JSON that the API shows, newest last."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from sandbox.stripe import errors
from sandbox.stripe.forms import Parameters
from sandbox.stripe.store import Store, Value

Object = dict[str, Any]
"""One object of the API, such as a PaymentIntent."""

_TABLES = (
    """
    CREATE TABLE IF NOT EXISTS objects (
        sequence INTEGER PRIMARY KEY AUTOINCREMENT,
        id TEXT NOT NULL UNIQUE,
        kind TEXT NOT NULL,
        created INTEGER NOT NULL,
        type TEXT,
        parent TEXT,
        body TEXT NOT NULL
    )
    """,
    "CREATE INDEX IF NOT EXISTS objects_by_kind ON objects (kind, sequence)",
    "CREATE INDEX IF NOT EXISTS objects_by_parent ON objects (parent) WHERE parent IS NOT NULL",
    """
    CREATE TABLE IF NOT EXISTS metadata (
        object_id TEXT NOT NULL,
        key TEXT NOT NULL,
        value TEXT NOT NULL,
        PRIMARY KEY (key, value, object_id)
    ) WITHOUT ROWID
    """,
)

_COMPARISONS = {"gt": ">", "gte": ">=", "lt": "<", "lte": "<="}
_OLDER = "sequence < (SELECT sequence FROM objects WHERE id = ?)"
_NEWER = "sequence > (SELECT sequence FROM objects WHERE id = ?)"
_DEFAULT_LIMIT = 10
_LARGEST_LIMIT = 100


@dataclass(frozen=True)
class Page:
    """Which part of a list is wanted, newest first.

    Attributes:
        limit: How many at most.
        after: Only what is older than this id.
        before: Only what is newer than this id.
        created: Bounds on the time of creation, such as `{"gte": 1700000000}`.
        type: Only objects of this type (events have one).
    """

    limit: int
    after: str | None = None
    before: str | None = None
    created: Mapping[str, int] = field(default_factory=dict)
    type: str | None = None


def parse_page(parameters: Parameters) -> Page:
    """Read Stripe's list parameters. See https://docs.stripe.com/api/pagination."""
    limit = parameters.integer("limit")
    if limit is not None and not 1 <= limit <= _LARGEST_LIMIT:
        raise errors.parameter_invalid("limit", f"Invalid limit: must be between 1 and {_LARGEST_LIMIT}.")
    created = {}
    for bound in parameters.mapping("created"):
        if bound not in _COMPARISONS:
            raise errors.parameter_unknown([f"created[{bound}]"])
        created[bound] = parameters.required_integer(f"created[{bound}]")
    return Page(
        limit=limit or _DEFAULT_LIMIT,
        after=parameters.text("starting_after"),
        before=parameters.text("ending_before"),
        created=created,
        type=parameters.text("type"),
    )


class Objects:
    """Keeps the objects of all kinds."""

    def __init__(self, store: Store) -> None:
        for statement in _TABLES:
            store.execute(statement)
        self._store = store

    def find(self, kind: str, identifier: str) -> Object | None:
        """The object, or `None`."""
        row = self._store.row("SELECT body FROM objects WHERE id = ? AND kind = ?", identifier, kind)
        return None if row is None else json.loads(row["body"])

    def save(self, subject: Object) -> None:
        """Keep a new object, or the new state of one that is here."""
        self._store.execute(
            "INSERT INTO objects (id, kind, created, type, parent, body) VALUES (?, ?, ?, ?, ?, ?) "
            "ON CONFLICT (id) DO UPDATE SET body = excluded.body",
            subject["id"],
            subject["object"],
            subject["created"],
            subject.get("type"),
            subject.get("payment_intent"),
            json.dumps(subject),
        )
        for key, value in subject.get("metadata", {}).items():
            self._store.execute("INSERT OR IGNORE INTO metadata VALUES (?, ?, ?)", subject["id"], key, value)

    def page(self, kind: str, page: Page, url: str) -> Object:
        """A list in Stripe's shape, newest first."""
        conditions: list[str] = ["kind = ?"]
        values: list[Value] = [kind]
        for condition, identifier in ((_OLDER, page.after), (_NEWER, page.before)):
            if identifier is not None:
                conditions.append(condition)
                values.append(identifier)
        for bound, moment in page.created.items():
            conditions.append(f"created {_COMPARISONS[bound]} ?")
            values.append(moment)
        if page.type is not None:
            conditions.append("type = ?")
            values.append(page.type)
        # Only fixed text is put together; every value is bound.
        query = f"SELECT body FROM objects WHERE {' AND '.join(conditions)} ORDER BY sequence DESC LIMIT ?"  # noqa: S608
        bodies = [json.loads(row["body"]) for row in self._store.rows(query, *values, page.limit + 1)]
        return {
            "object": "list",
            "url": url,
            "has_more": len(bodies) > page.limit,
            "data": bodies[: page.limit],
        }

    def children(self, kind: str, payment_intent: str) -> list[Object]:
        """The objects that belong to a PaymentIntent, oldest first."""
        rows = self._store.rows(
            "SELECT body FROM objects WHERE parent = ? AND kind = ? ORDER BY sequence", payment_intent, kind
        )
        return [json.loads(row["body"]) for row in rows]

    def with_metadata(self, kind: str, key: str, value: str) -> list[Object]:
        """The objects that carry this pair, newest first."""
        rows = self._store.rows(
            "SELECT body FROM objects JOIN metadata ON object_id = id "
            "WHERE key = ? AND value = ? AND kind = ? ORDER BY sequence DESC",
            key,
            value,
            kind,
        )
        return [json.loads(row["body"]) for row in rows]
