"""Access tokens, and the keys that sign them."""

from __future__ import annotations

from datetime import datetime, timedelta

import jwt
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from servicekit.clock import Clock, MakeId
from services.auth.model import PublicKey, SigningKey, User
from services.auth.ports import Store

ACCESS_TOKEN_LIFE = timedelta(minutes=15)
"""Services verify by themselves and ask nobody, so an access token outlives its session by up to this."""


class Keyring:
    """The signing keys, loaded or made when they are first needed.

    All replicas use the same: the store keeps the first that any of them makes.
    """

    def __init__(self, store: Store, clock: Clock) -> None:
        self._store = store
        self._clock = clock
        self._keys: list[SigningKey] = []

    async def newest(self) -> SigningKey:
        """The key to sign with."""
        return (await self._load())[0]

    async def published(self) -> list[PublicKey]:
        """Every key that verifies tokens now, newest first."""
        return [key.public for key in await self._load()]

    async def _load(self) -> list[SigningKey]:
        if not self._keys:
            keys = await self._store.signing_keys.all()
            if not keys:
                async with self._store.transaction() as tables:
                    await tables.signing_keys.add_first(_new_key(self._clock.now()))
                keys = await self._store.signing_keys.all()
            self._keys = keys
        return self._keys


class AccessTokens:
    """Signs JWTs (RFC 7519) with EdDSA (RFC 8037).

    Args:
        issuer: The `iss` that every service expects.
        audience: The `aud` that every service expects.
    """

    def __init__(
        self, keyring: Keyring, clock: Clock, make_id: MakeId, *, issuer: str, audience: str
    ) -> None:
        self._keyring = keyring
        self._clock = clock
        self._make_id = make_id
        self._issuer = issuer
        self._audience = audience

    async def mint(self, user: User) -> str:
        """A token that says who the user is and what they may do now."""
        key = await self._keyring.newest()
        issued = int(self._clock.now().timestamp())
        claims = {
            "iss": self._issuer,
            "aud": self._audience,
            "sub": user.id,
            "roles": user.ordered_roles(),
            "iat": issued,
            "exp": issued + int(ACCESS_TOKEN_LIFE.total_seconds()),
            "jti": self._make_id(),
        }
        private = Ed25519PrivateKey.from_private_bytes(key.private)
        return jwt.encode(claims, private, algorithm="EdDSA", headers={"kid": key.public.id})


def _new_key(now: datetime) -> SigningKey:
    private = Ed25519PrivateKey.generate()
    public = PublicKey(private.public_key().public_bytes_raw())
    return SigningKey(private.private_bytes_raw(), public, now)
