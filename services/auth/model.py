"""Users, their sessions, the keys that sign for them, and tills: frozen values, pure decisions.

Secrets are kept out of every `repr`: of a password there is only its hash here, of
a refresh token only its digest, of a till's key only its number.
"""

from __future__ import annotations

import json
import re
from base64 import urlsafe_b64encode
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from hashlib import sha256
from typing import NewType

from servicekit.context import Role

UserId = NewType("UserId", str)
SessionId = NewType("SessionId", str)
KeyId = NewType("KeyId", str)
TillId = NewType("TillId", str)
TokenDigest = NewType("TokenDigest", bytes)

ROLE_ORDER = tuple(Role)
"""Roles are shown in this order, which is the proto's."""

_CANONICAL_UUID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}").fullmatch


def user_id_of(text: str) -> UserId | None:
    """The id that `text` is, or `None` for anything that no user can have."""
    return UserId(text) if _CANONICAL_UUID(text) else None


def till_id_of(text: str) -> TillId | None:
    """The id that `text` is, or `None` for anything that no till can have."""
    return TillId(text) if _CANONICAL_UUID(text) else None


def digest_of(refresh_token: str) -> TokenDigest:
    """What is kept of a refresh token. It has 256 random bits, so a fast hash hides it."""
    return TokenDigest(sha256(refresh_token.encode()).digest())


@dataclass(frozen=True, slots=True)
class User:
    """A person who can sign in.

    Attributes:
        email: In lower case; unique.
        roles: What the person may do; never empty.
    """

    id: UserId
    email: str = field(repr=False)
    display_name: str = field(repr=False)
    roles: frozenset[Role]
    created_at: datetime

    def ordered_roles(self) -> list[Role]:
        """The roles, in the order in which they are shown."""
        return [role for role in ROLE_ORDER if role in self.roles]

    def granted(self, role: Role) -> User:
        """The user with one more role."""
        return replace(self, roles=self.roles | {role})


@dataclass(frozen=True, slots=True)
class Account:
    """A user and how their password is recognised."""

    user: User
    password_hash: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class UserDraft:
    """A user somebody asks for, nothing checked yet; `None` among the roles is one we do not know."""

    email: str = field(repr=False)
    display_name: str = field(repr=False)
    password: str = field(repr=False)
    roles: tuple[Role | None, ...]


@dataclass(frozen=True, slots=True)
class UserPage:
    """Some users, oldest first.

    Attributes:
        next_after: Where the next page begins; `None` on the last.
    """

    users: tuple[User, ...]
    next_after: UserId | None


@dataclass(frozen=True, slots=True)
class Till:
    """A till of the shop.

    Attributes:
        name: What the staff call it; unique.
    """

    id: TillId
    name: str
    created_at: datetime


@dataclass(frozen=True, slots=True)
class KeyIssue:
    """A till and one of its keys.

    Attributes:
        number: Which key, counting up from 1; the highest is the newest.
    """

    till: Till
    number: int

    def next(self) -> KeyIssue:
        """The till with the key that follows."""
        return replace(self, number=self.number + 1)


@dataclass(frozen=True, slots=True)
class TillPage:
    """Some tills, by name.

    Attributes:
        next_after: The name after which the next page begins; `None` on the last.
    """

    tills: tuple[Till, ...]
    next_after: str | None


@dataclass(frozen=True, slots=True)
class Attempt:
    """One try of a caller, named by its Idempotency-Key.

    Attributes:
        caller: The user id of the caller.
        key: The name that the caller chose.
        fingerprint: Equal for two requests exactly when they ask for the same thing.
    """

    caller: str
    key: str
    fingerprint: bytes = field(repr=False, default=b"")


@dataclass(frozen=True, slots=True)
class Session:
    """One sign-in and all refresh tokens that follow from it.

    Attributes:
        expires_at: When it ends by itself, however often it was refreshed.
        ended_at: When it was ended; `None` while it was not.
    """

    id: SessionId
    user_id: UserId
    created_at: datetime
    expires_at: datetime
    ended_at: datetime | None = None

    def is_open(self, now: datetime) -> bool:
        """True while it may be refreshed."""
        return self.ended_at is None and now < self.expires_at


@dataclass(frozen=True, slots=True)
class PresentedToken:
    """A refresh token that somebody brought back, as we know it."""

    session: Session
    is_spent: bool


@dataclass(frozen=True, slots=True)
class Tokens:
    """What a session hands out: once, and never kept."""

    access_token: str = field(repr=False)
    refresh_token: str = field(repr=False)
    life: timedelta


@dataclass(frozen=True, slots=True)
class PublicKey:
    """The half of a signing key that everybody may have: 32 bytes of Ed25519 (RFC 8032)."""

    raw: bytes

    @property
    def id(self) -> KeyId:
        """The JWK thumbprint (RFC 7638): every replica derives the same."""
        required = {"crv": "Ed25519", "kty": "OKP", "x": self._x}
        canonical = json.dumps(required, sort_keys=True, separators=(",", ":")).encode()
        return KeyId(_base64url(sha256(canonical).digest()))

    def jwk(self) -> dict[str, str]:
        """This key as a JSON Web Key (RFC 8037 section 2)."""
        return {"kty": "OKP", "crv": "Ed25519", "kid": self.id, "use": "sig", "alg": "EdDSA", "x": self._x}

    @property
    def _x(self) -> str:
        return _base64url(self.raw)


@dataclass(frozen=True, slots=True)
class SigningKey:
    """A pair of keys.

    Attributes:
        private: The Ed25519 seed, 32 bytes.
    """

    private: bytes = field(repr=False)
    public: PublicKey
    created_at: datetime


def _base64url(data: bytes) -> str:
    return urlsafe_b64encode(data).rstrip(b"=").decode()
