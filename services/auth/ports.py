"""What this service needs from outside, in its own words.

The store's transaction is the only lock there is: whatever is done inside one is
kept whole or not at all.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from datetime import datetime
from typing import Protocol, TypeVar

from servicekit.context import Role
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

MakeSecret = Callable[[], str]
"""Makes text that nobody can guess: at least 256 random bits, safe in a URL."""

Answer = TypeVar("Answer", User, KeyIssue)
"""What a caller's attempt is answered with. One key names one operation, so its answer has one type."""


class Users(Protocol):
    """The people."""

    async def add(self, account: Account) -> None:
        """Keep a new user; raises `EmailTaken`."""
        ...

    async def get(self, user_id: UserId) -> User | None:
        """The user with this id."""
        ...

    async def lock(self, user_id: UserId) -> User | None:
        """The user with this id, whom nobody else changes until this transaction ends."""
        ...

    async def set_roles(self, user: User) -> None:
        """Keep the user's roles as they are now."""
        ...

    async def account(self, email: str) -> Account | None:
        """The account with this email, which is in lower case."""
        ...

    async def page(self, after: UserId | None, limit: int) -> list[User]:
        """Up to `limit` users, oldest first, from the first younger than `after`."""
        ...

    async def is_empty(self) -> bool:
        """True while there is no user at all."""
        ...


class Sessions(Protocol):
    """Sign-ins that last, and the refresh tokens that carry them on."""

    async def open(self, session: Session, token: TokenDigest) -> None:
        """Keep a new session and its first refresh token."""
        ...

    async def lock(self, token: TokenDigest) -> PresentedToken | None:
        """What is known of a refresh token; nobody else uses its session until this transaction ends."""
        ...

    async def rotate(self, session_id: SessionId, spent: TokenDigest, fresh: TokenDigest) -> None:
        """Mark one refresh token as spent and keep the next."""
        ...

    async def end(self, session_id: SessionId, now: datetime) -> None:
        """End the session; one that is over stays as it is."""
        ...

    async def forget(self, expired_before: datetime) -> int:
        """Drop the sessions that expired before this, with their tokens; answers how many."""
        ...


class Attempts(Protocol):
    """What callers attempted, by the names they gave, and what they were answered."""

    async def keep(self, attempt: Attempt, answer: Answer, now: datetime) -> Answer | None:
        """Keep the answer to this attempt; the one that was kept before, if there is one.

        Waits for another transaction that holds the same name, so that both see one answer.
        Raises `IdempotencyKeyInFlight` when that one does not end in time, and
        `IdempotencyKeyReused` when the name was given to another request.
        """
        ...

    async def forget(self, made_before: datetime) -> int:
        """Drop the attempts made before this; answers how many."""
        ...


class Tills(Protocol):
    """The tills, and which of their keys work. No key is kept: see `usecases.tills`."""

    async def add(self, till: Till) -> None:
        """Keep a new till, with its key number 1; raises `TillNameTaken`."""
        ...

    async def get(self, till_id: TillId) -> Till | None:
        """The till with this id."""
        ...

    async def lock(self, till_id: TillId) -> KeyIssue | None:
        """The till and its newest key, which nobody else replaces until this transaction ends."""
        ...

    async def issue(self, key: KeyIssue, now: datetime) -> None:
        """Let this key replace the one before it."""
        ...

    async def keys(self, till_id: TillId, replaced_after: datetime) -> list[int]:
        """The numbers of the till's newest key and of those that were replaced after this."""
        ...

    async def page(self, after: str | None, limit: int) -> list[Till]:
        """Up to `limit` tills by name, from the first above `after`."""
        ...

    async def forget_keys(self, replaced_before: datetime) -> int:
        """Drop the numbers of keys that were replaced before this; answers how many."""
        ...


class SigningKeys(Protocol):
    """The keys that sign access tokens."""

    async def all(self) -> list[SigningKey]:
        """Every key, newest first. Raises `SigningKeySealed` when one cannot be opened."""
        ...

    async def add_first(self, key: SigningKey) -> None:
        """Keep the key if there is none; of several replicas that do so at once, one wins."""
        ...


class Tables(Protocol):
    """All that is kept."""

    @property
    def users(self) -> Users:
        """The people."""
        ...

    @property
    def sessions(self) -> Sessions:
        """Their sessions."""
        ...

    @property
    def attempts(self) -> Attempts:
        """What callers attempted."""
        ...

    @property
    def tills(self) -> Tills:
        """The tills."""
        ...

    @property
    def signing_keys(self) -> SigningKeys:
        """The keys that sign."""
        ...


class Store(Tables, Protocol):
    """All that is kept. Reading needs no transaction. Raises `StoreUnavailable` when it does not answer."""

    def transaction(self) -> AbstractAsyncContextManager[Tables]:
        """A transaction: kept when the block ends, undone when it raises."""
        ...


class Throttle(Protocol):
    """Counts attempts to sign in, across all replicas. Raises `StoreUnavailable`: no count, no attempt."""

    async def count(self, email: str) -> None:
        """Count one attempt; raises `TooManyAttempts` when there were too many before it."""
        ...

    async def forget(self, email: str) -> None:
        """Forget the attempts: the right password was given."""
        ...


class Passwords(Protocol):
    """Turns passwords into hashes that tell nothing, slowly and off the event loop."""

    async def hash(self, password: str) -> str:
        """A hash to keep."""
        ...

    async def matches(self, password: str, password_hash: str | None) -> bool:
        """True when the hash was made from this password; false, in the same time, for no hash."""
        ...


class Signals(Protocol):
    """What this service lets others see of its work."""

    def login_succeeded(self, user_id: UserId) -> None:
        """Somebody signed in."""
        ...

    def login_failed(self) -> None:
        """An unknown email or a wrong password was given."""
        ...

    def login_throttled(self) -> None:
        """An attempt was refused because too many had failed."""
        ...

    def refresh_token_reused(self, session_id: SessionId, user_id: UserId) -> None:
        """A spent refresh token came back, and its session was ended."""
        ...

    def role_granted(self, user_id: UserId, role: Role, granted_by: str) -> None:
        """A user gained a role."""
        ...

    def password_hashed(self, seconds: float) -> None:
        """One hash took that long, the wait for a free thread included."""
        ...
