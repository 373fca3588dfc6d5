"""Tills in PostgreSQL, and the numbers of the keys that they may use."""

from __future__ import annotations

from datetime import datetime

import asyncpg
from typing_extensions import override

from servicekit.postgres import Database, Query, Record, Transaction
from services.auth.errors import TillNameTaken
from services.auth.model import KeyIssue, Till, TillId
from services.auth.ports import Tills

ADD_TILL = Query(
    "tills.add",
    "WITH added AS (INSERT INTO tills (id, name, created_at) VALUES ($1, $2, $3) RETURNING id)"
    " INSERT INTO till_keys (till_id, number) SELECT id, 1 FROM added",
)
GET_TILL = Query("tills.get", "SELECT id, name, created_at FROM tills WHERE id = $1")
LOCK_TILL = Query("tills.lock", "SELECT id, name, created_at FROM tills WHERE id = $1 FOR UPDATE")
# A statement of its own, after the lock: it must see the key that whoever held the lock before has made.
NEWEST_KEY = Query("till_keys.newest", "SELECT max(number) AS number FROM till_keys WHERE till_id = $1")
PAGE_TILLS = Query(
    "tills.page",
    "SELECT id, name, created_at FROM tills WHERE $1::text IS NULL OR name > $1 ORDER BY name LIMIT $2",
)
ISSUE_KEY = Query(
    "till_keys.issue",
    "WITH replaced AS"
    " (UPDATE till_keys SET replaced_at = $3 WHERE till_id = $1 AND replaced_at IS NULL RETURNING till_id)"
    " INSERT INTO till_keys (till_id, number) SELECT till_id, $2 FROM replaced",
)
WORKING_KEYS = Query(
    "till_keys.working",
    "SELECT number FROM till_keys WHERE till_id = $1 AND (replaced_at IS NULL OR replaced_at > $2)"
    " ORDER BY number DESC",
)
FORGET_KEYS = Query("till_keys.forget", "DELETE FROM till_keys WHERE replaced_at < $1")


class PostgresTills(Tills):
    """Tills in the tables `tills` and `till_keys`."""

    def __init__(self, queries: Database | Transaction) -> None:
        self._queries = queries

    @override
    async def add(self, till: Till) -> None:
        try:
            await self._queries.execute(ADD_TILL, till.id, till.name, till.created_at)
        except asyncpg.UniqueViolationError:
            raise TillNameTaken("There is a till with this name.") from None

    @override
    async def get(self, till_id: TillId) -> Till | None:
        row = await self._queries.fetch_one(GET_TILL, till_id)
        return None if row is None else _till(row)

    @override
    async def lock(self, till_id: TillId) -> KeyIssue | None:
        row = await self._queries.fetch_one(LOCK_TILL, till_id)
        newest = await self._queries.fetch_one(NEWEST_KEY, till_id)
        return None if row is None or newest is None else KeyIssue(_till(row), newest["number"])

    @override
    async def issue(self, key: KeyIssue, now: datetime) -> None:
        await self._queries.execute(ISSUE_KEY, key.till.id, key.number, now)

    @override
    async def keys(self, till_id: TillId, replaced_after: datetime) -> list[int]:
        rows = await self._queries.fetch(WORKING_KEYS, till_id, replaced_after)
        return [row["number"] for row in rows]

    @override
    async def page(self, after: str | None, limit: int) -> list[Till]:
        return [_till(row) for row in await self._queries.fetch(PAGE_TILLS, after, limit)]

    @override
    async def forget_keys(self, replaced_before: datetime) -> int:
        return await self._queries.execute(FORGET_KEYS, replaced_before)


def _till(row: Record) -> Till:
    return Till(TillId(row["id"]), row["name"], row["created_at"])
