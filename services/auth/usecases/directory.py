"""The people of the shop: created, found, and given roles."""

from __future__ import annotations

import hmac
import json
from collections.abc import Callable
from dataclasses import replace
from hashlib import sha256

from servicekit.clock import Clock, MakeId
from servicekit.context import Role
from services.auth.errors import UserNotFound
from services.auth.model import Account, Attempt, User, UserDraft, UserId, UserPage, user_id_of
from services.auth.ports import Passwords, Signals, Store
from services.auth.usecases import validation

Fingerprint = Callable[..., bytes]
"""Equal for equal arguments, and tells nothing of them."""


def keyed_fingerprint(key: bytes) -> Fingerprint:
    """Fingerprints under a key that is not in the database.

    Requests hold passwords: a plain hash of one would be a quick way to guess what
    Argon2 makes slow.
    """

    def fingerprint(*parts: object) -> bytes:
        return hmac.digest(key, json.dumps(parts, ensure_ascii=False).encode(), sha256)

    return fingerprint


class Directory:
    """Keeps users. Who may ask is decided before a call comes here."""

    def __init__(
        self,
        *,
        store: Store,
        passwords: Passwords,
        signals: Signals,
        clock: Clock,
        make_id: MakeId,
        fingerprint: Fingerprint,
    ) -> None:
        self._store = store
        self._passwords = passwords
        self._signals = signals
        self._clock = clock
        self._make_id = make_id
        self._fingerprint = fingerprint

    async def create(self, draft: UserDraft, attempt: Attempt) -> User:
        """Create a user; raises `EmailTaken`. The same attempt again gets the same answer."""
        new = validation.new_user(draft)
        roles = sorted(new.roles)
        attempt = self._named(attempt, "CreateUser", new.email, new.display_name, new.password, roles)
        account = await self.account_of(new)
        async with self._store.transaction() as tables:
            earlier = await tables.attempts.keep(attempt, account.user, self._clock.now())
            if earlier is not None:
                return earlier
            await tables.users.add(account)
        return account.user

    async def grant(self, user_id: str, role: Role | None, attempt: Attempt) -> User:
        """Give a user one more role; raises `UserNotFound`. The same attempt again gets the same answer."""
        role = validation.granted_role(role)
        attempt = self._named(attempt, "GrantRole", user_id, role)
        async with self._store.transaction() as tables:
            user = await tables.users.lock(_known(user_id))
            if user is None:
                raise _not_found()
            granted = user.granted(role)
            earlier = await tables.attempts.keep(attempt, granted, self._clock.now())
            if earlier is not None:
                return earlier
            await tables.users.set_roles(granted)
        if granted != user:
            self._signals.role_granted(user.id, role, granted_by=attempt.caller)
        return granted

    async def get(self, user_id: str) -> User:
        """One user; raises `UserNotFound`."""
        user = await self._store.users.get(_known(user_id))
        if user is None:
            raise _not_found()
        return user

    async def page(self, page_size: int, page_token: str) -> UserPage:
        """Some users, oldest first."""
        limit, after = validation.page(page_size, page_token)
        users = await self._store.users.page(after, limit + 1)
        shown = tuple(users[:limit])
        return UserPage(shown, next_after=shown[-1].id if len(users) > limit else None)

    async def account_of(self, new: validation.NewUser) -> Account:
        """An account for a user who is created now; kept nowhere yet."""
        password_hash = await self._passwords.hash(new.password)
        user = User(UserId(self._make_id()), new.email, new.display_name, new.roles, self._clock.now())
        return Account(user, password_hash)

    def _named(self, attempt: Attempt, *request: object) -> Attempt:
        return replace(validation.attempt(attempt), fingerprint=self._fingerprint(*request))


def _known(user_id: str) -> UserId:
    known = user_id_of(user_id)
    if known is None:
        raise _not_found()
    return known


def _not_found() -> UserNotFound:
    return UserNotFound("There is no user with this id.")
