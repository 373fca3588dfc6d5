"""Faithful fakes of the stores: the same contract tests hold for them.

A transaction works on a copy of everything and replaces it at its end; transactions
run one after another. So nobody sees what is not kept yet, and what raises undoes all.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from copy import copy
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import cast

from typing_extensions import override

from servicekit.clock import Clock
from servicekit.errors import IdempotencyKeyReused
from services.auth.errors import EmailTaken, TillNameTaken
from services.auth.model import (
    Account,
    Attempt,
    KeyIssue,
    PresentedToken,
    Session,
    SessionId,
    SigningKey,
    Till,
    TillId,
    TokenDigest,
    User,
    UserId,
)
from services.auth.ports import Answer, Attempts, Sessions, SigningKeys, Store, Tables, Throttle, Tills, Users
from services.auth.store.redis import ATTEMPTS, WINDOW_SECONDS, too_many_attempts


@dataclass
class _Contents:
    accounts: dict[UserId, Account] = field(default_factory=dict)
    sessions: dict[SessionId, Session] = field(default_factory=dict)
    tokens: dict[TokenDigest, tuple[SessionId, bool]] = field(default_factory=dict)
    attempts: dict[tuple[str, str], tuple[Attempt, User | KeyIssue, datetime]] = field(default_factory=dict)
    tills: dict[TillId, Till] = field(default_factory=dict)
    till_keys: dict[TillId, tuple[datetime | None, ...]] = field(default_factory=dict)
    keys: list[SigningKey] = field(default_factory=list)

    def copied(self) -> _Contents:
        return _Contents(**{name: copy(table) for name, table in vars(self).items()})


_Read = Callable[[], _Contents]


class _Users(Users):
    def __init__(self, contents: _Read) -> None:
        self._contents = contents

    @override
    async def add(self, account: Account) -> None:
        if await self.account(account.user.email) is not None:
            raise EmailTaken("There is a user with this email.")
        self._contents().accounts[account.user.id] = account

    @override
    async def get(self, user_id: UserId) -> User | None:
        account = self._contents().accounts.get(user_id)
        return None if account is None else account.user

    @override
    async def lock(self, user_id: UserId) -> User | None:
        return await self.get(user_id)

    @override
    async def set_roles(self, user: User) -> None:
        account = self._contents().accounts[user.id]
        self._contents().accounts[user.id] = replace(account, user=replace(account.user, roles=user.roles))

    @override
    async def account(self, email: str) -> Account | None:
        accounts = self._contents().accounts.values()
        return next((account for account in accounts if account.user.email == email), None)

    @override
    async def page(self, after: UserId | None, limit: int) -> list[User]:
        users = sorted(
            (account.user for account in self._contents().accounts.values()), key=lambda user: user.id
        )
        return [user for user in users if after is None or user.id > after][:limit]

    @override
    async def is_empty(self) -> bool:
        return not self._contents().accounts


class _Sessions(Sessions):
    def __init__(self, contents: _Read) -> None:
        self._contents = contents

    @override
    async def open(self, session: Session, token: TokenDigest) -> None:
        self._contents().sessions[session.id] = session
        self._contents().tokens[token] = (session.id, False)

    @override
    async def lock(self, token: TokenDigest) -> PresentedToken | None:
        found = self._contents().tokens.get(token)
        if found is None:
            return None
        session_id, is_spent = found
        return PresentedToken(self._contents().sessions[session_id], is_spent)

    @override
    async def rotate(self, session_id: SessionId, spent: TokenDigest, fresh: TokenDigest) -> None:
        self._contents().tokens[spent] = (session_id, True)
        self._contents().tokens[fresh] = (session_id, False)

    @override
    async def end(self, session_id: SessionId, now: datetime) -> None:
        session = self._contents().sessions[session_id]
        if session.ended_at is None:
            self._contents().sessions[session_id] = replace(session, ended_at=now)

    @override
    async def forget(self, expired_before: datetime) -> int:
        contents = self._contents()
        gone = {id_ for id_, session in contents.sessions.items() if session.expires_at < expired_before}
        contents.sessions = {id_: kept for id_, kept in contents.sessions.items() if id_ not in gone}
        contents.tokens = {digest: kept for digest, kept in contents.tokens.items() if kept[0] not in gone}
        return len(gone)


class _Attempts(Attempts):
    def __init__(self, contents: _Read) -> None:
        self._contents = contents

    @override
    async def keep(self, attempt: Attempt, answer: Answer, now: datetime) -> Answer | None:
        name = (attempt.caller, attempt.key)
        earlier = self._contents().attempts.get(name)
        if earlier is None:
            self._contents().attempts[name] = (attempt, answer, now)
            return None
        if earlier[0].fingerprint != attempt.fingerprint:
            raise IdempotencyKeyReused("This Idempotency-Key was used for another request.")
        return cast("Answer", earlier[1])

    @override
    async def forget(self, made_before: datetime) -> int:
        contents = self._contents()
        kept = {name: entry for name, entry in contents.attempts.items() if entry[2] >= made_before}
        gone = len(contents.attempts) - len(kept)
        contents.attempts = kept
        return gone


class _Tills(Tills):
    """Of each till, when each of its keys was replaced; the newest is last and was not."""

    def __init__(self, contents: _Read) -> None:
        self._contents = contents

    @override
    async def add(self, till: Till) -> None:
        if any(each.name == till.name for each in self._contents().tills.values()):
            raise TillNameTaken("There is a till with this name.")
        self._contents().tills[till.id] = till
        self._contents().till_keys[till.id] = (None,)

    @override
    async def get(self, till_id: TillId) -> Till | None:
        return self._contents().tills.get(till_id)

    @override
    async def lock(self, till_id: TillId) -> KeyIssue | None:
        till = await self.get(till_id)
        return None if till is None else KeyIssue(till, len(self._contents().till_keys[till_id]))

    @override
    async def issue(self, key: KeyIssue, now: datetime) -> None:
        keys = self._contents().till_keys
        keys[key.till.id] = (*keys[key.till.id][:-1], now, None)

    @override
    async def keys(self, till_id: TillId, replaced_after: datetime) -> list[int]:
        replaced = enumerate(self._contents().till_keys[till_id], start=1)
        return [number for number, at in replaced if at is None or at > replaced_after][::-1]

    @override
    async def page(self, after: str | None, limit: int) -> list[Till]:
        tills = sorted(self._contents().tills.values(), key=lambda till: till.name)
        return [till for till in tills if after is None or till.name > after][:limit]

    @override
    async def forget_keys(self, replaced_before: datetime) -> int:
        return 0  # `keys` tells of none of them


class _SigningKeys(SigningKeys):
    def __init__(self, contents: _Read) -> None:
        self._contents = contents

    @override
    async def all(self) -> list[SigningKey]:
        return sorted(self._contents().keys, key=lambda key: key.created_at, reverse=True)

    @override
    async def add_first(self, key: SigningKey) -> None:
        if not self._contents().keys:
            self._contents().keys.append(key)


class _Tables(Tables):
    def __init__(self, contents: _Read) -> None:
        self._users = _Users(contents)
        self._sessions = _Sessions(contents)
        self._attempts = _Attempts(contents)
        self._tills = _Tills(contents)
        self._signing_keys = _SigningKeys(contents)

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


class MemoryStore(_Tables, Store):
    """A store in this process's memory."""

    def __init__(self) -> None:
        self._kept = _Contents()
        self._turn = asyncio.Lock()
        super().__init__(lambda: self._kept)

    @asynccontextmanager
    @override
    async def transaction(self) -> AsyncIterator[Tables]:
        async with self._turn:
            changed = self._kept.copied()
            yield _Tables(lambda: changed)
            self._kept = changed


class MemoryThrottle(Throttle):
    """Counts in this process's memory."""

    def __init__(
        self, clock: Clock, attempts: int = ATTEMPTS, window_seconds: float = WINDOW_SECONDS
    ) -> None:
        self._clock = clock
        self._attempts = attempts
        self._window_seconds = window_seconds
        self._counts: dict[str, tuple[int, float]] = {}

    @override
    async def count(self, email: str) -> None:
        now = self._clock.monotonic()
        count, ends_at = self._counts.get(email, (0, now + self._window_seconds))
        if ends_at <= now:
            count, ends_at = 0, now + self._window_seconds
        self._counts[email] = (count + 1, ends_at)
        if count >= self._attempts:
            raise too_many_attempts(ends_at - now)

    @override
    async def forget(self, email: str) -> None:
        self._counts.pop(email, None)
