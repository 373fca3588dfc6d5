"""The store in PostgreSQL."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import datetime

import asyncpg
from typing_extensions import override

from servicekit.context import Role
from servicekit.errors import IdempotencyKeyInFlight, IdempotencyKeyReused
from servicekit.postgres import Database, Query, Record, Transaction
from services.auth.errors import EmailTaken
from services.auth.model import (
    Account,
    Attempt,
    PresentedToken,
    PublicKey,
    Session,
    SessionId,
    SigningKey,
    TokenDigest,
    User,
    UserId,
)
from services.auth.ports import Answer, Attempts, Sessions, SigningKeys, Store, Tables, Tills, Users
from services.auth.store import answers
from services.auth.store.sealing import Sealer
from services.auth.store.tills import PostgresTills

Queries = Database | Transaction
"""Whatever statements go to: alone, or with others."""

IN_FLIGHT_MS = 1000
"""How long an attempt waits for another of the same name before it is told to come back."""

_USER = "id, email, display_name, roles, created_at"
ADD_USER = Query(
    "users.add",
    f"INSERT INTO users ({_USER}, password_hash) VALUES ($1, $2, $3, $4, $5, $6)",  # noqa: S608 - constants
)
GET_USER = Query("users.get", f"SELECT {_USER} FROM users WHERE id = $1")  # noqa: S608 - constants
LOCK_USER = Query("users.lock", f"SELECT {_USER} FROM users WHERE id = $1 FOR UPDATE")  # noqa: S608 - constants
SET_ROLES = Query("users.set_roles", "UPDATE users SET roles = $2 WHERE id = $1")
GET_ACCOUNT = Query(
    "users.account",
    f"SELECT {_USER}, password_hash FROM users WHERE email = $1",  # noqa: S608 - constants
)
PAGE_USERS = Query(
    "users.page",
    f"SELECT {_USER} FROM users WHERE $1::uuid IS NULL OR id > $1 ORDER BY id LIMIT $2",  # noqa: S608 - constants
)
ANY_USER = Query("users.any", "SELECT 1 FROM users LIMIT 1")

OPEN_SESSION = Query(
    "sessions.open", "INSERT INTO sessions (id, user_id, created_at, expires_at) VALUES ($1, $2, $3, $4)"
)
ADD_TOKEN = Query("refresh_tokens.add", "INSERT INTO refresh_tokens (digest, session_id) VALUES ($1, $2)")
# Both rows are locked: a second user of the same token waits, and then sees it spent.
LOCK_TOKEN = Query(
    "refresh_tokens.lock",
    "SELECT t.is_spent, s.id, s.user_id, s.created_at, s.expires_at, s.ended_at"
    " FROM refresh_tokens t JOIN sessions s ON s.id = t.session_id WHERE t.digest = $1 FOR UPDATE",
)
SPEND_TOKEN = Query("refresh_tokens.spend", "UPDATE refresh_tokens SET is_spent = true WHERE digest = $1")
END_SESSION = Query("sessions.end", "UPDATE sessions SET ended_at = $2 WHERE id = $1 AND ended_at IS NULL")
FORGET_SESSIONS = Query("sessions.forget", "DELETE FROM sessions WHERE expires_at < $1")

WAIT_BRIEFLY = Query("attempts.wait_briefly", "SELECT set_config('lock_timeout', $1, true)")
KEEP_ATTEMPT = Query(
    "attempts.keep",
    "INSERT INTO attempts (caller, key, fingerprint, answer, made_at) VALUES ($1, $2, $3, $4, $5)"
    " ON CONFLICT DO NOTHING",
)
GET_ATTEMPT = Query("attempts.get", "SELECT fingerprint, answer FROM attempts WHERE caller = $1 AND key = $2")
FORGET_ATTEMPTS = Query("attempts.forget", "DELETE FROM attempts WHERE made_at < $1")

ALL_KEYS = Query(
    "signing_keys.all",
    "SELECT id, public_key, sealed_private_key, created_at FROM signing_keys ORDER BY created_at DESC, id",
)
# Replicas that start at once queue here; all but the first then find a key.
LOCK_KEYS = Query("signing_keys.lock", "LOCK TABLE signing_keys IN SHARE ROW EXCLUSIVE MODE")
ADD_FIRST_KEY = Query(
    "signing_keys.add_first",
    "INSERT INTO signing_keys (id, public_key, sealed_private_key, created_at)"
    " SELECT $1, $2, $3, $4 WHERE NOT EXISTS (SELECT 1 FROM signing_keys)",
)


class PostgresUsers(Users):
    """Users in the table `users`."""

    def __init__(self, queries: Queries) -> None:
        self._queries = queries

    @override
    async def add(self, account: Account) -> None:
        user = account.user
        columns = (user.id, user.email, user.display_name, user.ordered_roles(), user.created_at)
        try:
            await self._queries.execute(ADD_USER, *columns, account.password_hash)
        except asyncpg.UniqueViolationError:
            raise EmailTaken("There is a user with this email.") from None

    @override
    async def get(self, user_id: UserId) -> User | None:
        row = await self._queries.fetch_one(GET_USER, user_id)
        return None if row is None else _user(row)

    @override
    async def lock(self, user_id: UserId) -> User | None:
        row = await self._queries.fetch_one(LOCK_USER, user_id)
        return None if row is None else _user(row)

    @override
    async def set_roles(self, user: User) -> None:
        await self._queries.execute(SET_ROLES, user.id, user.ordered_roles())

    @override
    async def account(self, email: str) -> Account | None:
        row = await self._queries.fetch_one(GET_ACCOUNT, email)
        return None if row is None else Account(_user(row), row["password_hash"])

    @override
    async def page(self, after: UserId | None, limit: int) -> list[User]:
        return [_user(row) for row in await self._queries.fetch(PAGE_USERS, after, limit)]

    @override
    async def is_empty(self) -> bool:
        return await self._queries.fetch_one(ANY_USER) is None


class PostgresSessions(Sessions):
    """Sessions in the tables `sessions` and `refresh_tokens`."""

    def __init__(self, queries: Queries) -> None:
        self._queries = queries

    @override
    async def open(self, session: Session, token: TokenDigest) -> None:
        columns = (session.id, session.user_id, session.created_at, session.expires_at)
        await self._queries.execute(OPEN_SESSION, *columns)
        await self._queries.execute(ADD_TOKEN, token, session.id)

    @override
    async def lock(self, token: TokenDigest) -> PresentedToken | None:
        row = await self._queries.fetch_one(LOCK_TOKEN, token)
        return None if row is None else PresentedToken(_session(row), is_spent=row["is_spent"])

    @override
    async def rotate(self, session_id: SessionId, spent: TokenDigest, fresh: TokenDigest) -> None:
        await self._queries.execute(SPEND_TOKEN, spent)
        await self._queries.execute(ADD_TOKEN, fresh, session_id)

    @override
    async def end(self, session_id: SessionId, now: datetime) -> None:
        await self._queries.execute(END_SESSION, session_id, now)

    @override
    async def forget(self, expired_before: datetime) -> int:
        return await self._queries.execute(FORGET_SESSIONS, expired_before)


class PostgresAttempts(Attempts):
    """Attempts in the table `attempts`."""

    def __init__(self, queries: Queries) -> None:
        self._queries = queries

    @override
    async def keep(self, attempt: Attempt, answer: Answer, now: datetime) -> Answer | None:
        if await self._is_first(attempt, answers.stored(answer), now):
            return None
        row = await self._queries.fetch_one(GET_ATTEMPT, attempt.caller, attempt.key)
        if row is None:
            raise IdempotencyKeyInFlight("A call with this Idempotency-Key was just forgotten.")
        if row["fingerprint"] != attempt.fingerprint:
            raise IdempotencyKeyReused("This Idempotency-Key was used for another request.")
        return answers.read(type(answer), row["answer"])

    @override
    async def forget(self, made_before: datetime) -> int:
        return await self._queries.execute(FORGET_ATTEMPTS, made_before)

    async def _is_first(self, attempt: Attempt, answer: answers.Stored, now: datetime) -> bool:
        columns = (attempt.caller, attempt.key, attempt.fingerprint, answer, now)
        await self._queries.fetch_one(WAIT_BRIEFLY, str(IN_FLIGHT_MS))
        try:
            kept = await self._queries.execute(KEEP_ATTEMPT, *columns)
        except asyncpg.LockNotAvailableError:
            raise IdempotencyKeyInFlight("A call with this Idempotency-Key is being worked on.") from None
        await self._queries.fetch_one(WAIT_BRIEFLY, "0")
        return kept == 1


class PostgresSigningKeys(SigningKeys):
    """Signing keys in the table `signing_keys`, their private halves sealed."""

    def __init__(self, queries: Queries, sealer: Sealer) -> None:
        self._queries = queries
        self._sealer = sealer

    @override
    async def all(self) -> list[SigningKey]:
        rows = await self._queries.fetch(ALL_KEYS)
        return [
            SigningKey(
                self._sealer.open(row["sealed_private_key"], row["id"]),
                PublicKey(row["public_key"]),
                row["created_at"],
            )
            for row in rows
        ]

    @override
    async def add_first(self, key: SigningKey) -> None:
        sealed = self._sealer.seal(key.private, key.public.id)
        await self._queries.execute(LOCK_KEYS)
        await self._queries.execute(ADD_FIRST_KEY, key.public.id, key.public.raw, sealed, key.created_at)


class PostgresTables(Tables):
    """All tables, through one connection or through any."""

    def __init__(self, queries: Queries, sealer: Sealer) -> None:
        self._users = PostgresUsers(queries)
        self._sessions = PostgresSessions(queries)
        self._attempts = PostgresAttempts(queries)
        self._tills = PostgresTills(queries)
        self._signing_keys = PostgresSigningKeys(queries, sealer)

    @property
    @override
    def users(self) -> Users:
        return self._users

    @property
    @override
    def sessions(self) -> Sessions:
        return self._sessions

    @property
    @override
    def attempts(self) -> Attempts:
        return self._attempts

    @property
    @override
    def tills(self) -> Tills:
        return self._tills

    @property
    @override
    def signing_keys(self) -> SigningKeys:
        return self._signing_keys


class PostgresStore(PostgresTables, Store):
    """The store of auth."""

    def __init__(self, database: Database, sealer: Sealer) -> None:
        super().__init__(database, sealer)
        self._database = database
        self._sealer = sealer

    @asynccontextmanager
    @override
    async def transaction(self) -> AsyncIterator[Tables]:
        async with self._database.transaction() as transaction:
            yield PostgresTables(transaction, self._sealer)


def _user(row: Record) -> User:
    roles = frozenset(map(Role, row["roles"]))
    return User(UserId(row["id"]), row["email"], row["display_name"], roles, row["created_at"])


def _session(row: Record) -> Session:
    return Session(
        SessionId(row["id"]), UserId(row["user_id"]), row["created_at"], row["expires_at"], row["ended_at"]
    )
