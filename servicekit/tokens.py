"""Tokens: who a caller is, proven without asking anybody.

People carry a JWT that auth signed with Ed25519 (RFC 8037) and that every service
verifies with the published keys. Services carry an HS256 JWT under the key that
the mesh shares. Each verifier accepts one algorithm, one issuer and one audience,
named here and never read from the token (RFC 8725). Verified tokens are remembered
until they expire, so that a repeated one costs microseconds. Knows neither gRPC
nor where keys come from.
"""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from collections.abc import Mapping
from hashlib import sha256
from typing import Any

import jwt
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from servicekit.clock import Clock
from servicekit.context import Caller, Role
from servicekit.keys import RETRY_SECONDS, Keys, KeySource, KeysUnavailable

__all__ = ["AUDIENCE", "ISSUER", "InvalidToken", "KeysUnavailable", "ServiceTokens", "UserTokens"]

ISSUER = "tillmesh"
"""Who signs the tokens of people: the auth service, under the name of the mesh."""
AUDIENCE = "tillmesh"
"""Whom those tokens are for: every service of the mesh."""

LEEWAY_SECONDS = 10
"""How far the clocks of two machines may differ."""
MAX_TOKEN_CHARACTERS = 4096
"""Longer ones are refused unread: all metadata of a call must stay under 7 KiB."""
SERVICE_TOKEN_SECONDS = 60
"""Life of a service token: short, because it cannot be withdrawn."""
SERVICE_KEY_BYTES = 32
"""The least an HS256 key may have (RFC 7518 section 3.2)."""

_CHECKED_BY_US: dict[str, bool] = {"verify_exp": False, "verify_iat": False, "verify_nbf": False}
"""PyJWT reads the machine's clock for these; ours is an argument."""


class InvalidToken(Exception):
    """The token proves nothing. The message is ours and may be shown to the caller.

    Attributes:
        expired: True when the token was good once: the caller should refresh it.
    """

    def __init__(self, message: str, *, expired: bool = False) -> None:
        super().__init__(message)
        self.expired = expired


class _Verified:
    """Callers by the SHA-256 of their token, each until it expires; the oldest makes room."""

    def __init__(self, clock: Clock, size: int) -> None:
        self._clock = clock
        self._size = size
        self._entries: OrderedDict[bytes, tuple[Caller, float]] = OrderedDict()

    def get(self, token: str) -> Caller | None:
        entry = self._entries.get(sha256(token.encode()).digest())
        if entry is None or entry[1] <= self._clock.now().timestamp():
            return None
        return entry[0]

    def put(self, token: str, caller: Caller, until: float) -> None:
        self._entries[sha256(token.encode()).digest()] = (caller, until)
        if len(self._entries) > self._size:
            self._entries.popitem(last=False)

    def clear(self) -> None:
        self._entries.clear()


class UserTokens:
    """Verifies the tokens of people with the keys that `source` publishes.

    Args:
        source: Answers a JSON Web Key Set (RFC 7517 section 5); may fail.
        clock: What "expired" is measured with.
        ttl_seconds: Age at which keys are fetched again, in the background. A withdrawn
            key is trusted no longer than this while the source answers, and
            `keys.STALE_SECONDS` while it does not.
        cache_size: How many verified tokens are remembered.
    """

    def __init__(
        self,
        source: KeySource,
        clock: Clock,
        *,
        ttl_seconds: float = 300,
        cache_size: int = 10_000,
    ) -> None:
        self._clock = clock
        self._verified = _Verified(clock, cache_size)
        self._keys = Keys(source, clock, ttl_seconds, on_withdrawal=self._verified.clear)

    async def keep_keys(self, stop: asyncio.Event) -> None:
        """Have keys from the start and never let them grow old, until `stop` is set.

        Keys that were only fetched for the first token would be missing when auth is away just then.
        """
        while not stop.is_set():
            self._keys.renew()
            await self._clock.sleep(RETRY_SECONDS)

    def cached(self, token: str) -> Caller | None:
        """Who carries this token, if it was verified before and is good still; never waits."""
        caller = self._verified.get(token)
        if caller is not None:
            self._keys.renew()
        return caller

    async def verify(self, token: str) -> Caller:
        """Who carries this token.

        Raises `InvalidToken` for a token that proves nothing, and `KeysUnavailable` while
        there are no keys to tell. Roles that this release does not know are left out.
        """
        caller = self.cached(token)
        if caller is not None:
            return caller
        key = await self._keys.find(_key_id(token))
        if key is None:
            raise InvalidToken("The token is signed with a key that is not published.")
        claims = _claims(token, key, "EdDSA", AUDIENCE, issuer=ISSUER)
        caller = Caller(subject=_name(claims, "sub"), roles=_roles(claims.get("roles")))
        self._verified.put(token, caller, _good_until(claims, self._clock))
        return caller


class ServiceTokens:
    """Makes and verifies the tokens by which services of one mesh know each other.

    Args:
        name: This service: the issuer of what it mints, the audience of what it accepts.
        key: The key that the mesh shares, at least 32 bytes.
        clock: What "expired" is measured with.
    """

    def __init__(self, name: str, key: bytes, clock: Clock) -> None:
        if len(key) < SERVICE_KEY_BYTES:
            raise ValueError(f"a mesh key needs at least {SERVICE_KEY_BYTES} bytes")
        self._name = name
        self._key = key
        self._clock = clock
        self._minted: dict[str, tuple[str, float]] = {}
        self._verified = _Verified(clock, size=1000)

    def mint(self, audience: str) -> str:
        """A token for calls to the service `audience`, good for half a minute at least."""
        now = self._clock.now().timestamp()
        token, renew_at = self._minted.get(audience, ("", 0.0))
        if now < renew_at:
            return token
        issued = int(now)
        claims = {"iss": self._name, "aud": audience, "iat": issued, "exp": issued + SERVICE_TOKEN_SECONDS}
        token = jwt.encode(claims, self._key, algorithm="HS256")
        self._minted[audience] = (token, issued + SERVICE_TOKEN_SECONDS / 2)
        return token

    def verify(self, token: str) -> Caller:
        """The service that calls; raises `InvalidToken`."""
        caller = self._verified.get(token)
        if caller is not None:
            return caller
        claims = _claims(token, self._key, "HS256", self._name)
        caller = Caller(service=_name(claims, "iss"))
        self._verified.put(token, caller, _good_until(claims, self._clock))
        return caller


def _key_id(token: str) -> str:
    _check_length(token)
    try:
        header = jwt.get_unverified_header(token)
    except jwt.InvalidTokenError as error:
        raise InvalidToken("The token is not a JSON Web Token.") from error
    kid = header.get("kid")
    if not isinstance(kid, str):
        raise InvalidToken("The token does not name its key.")
    return kid


def _check_length(token: str) -> None:
    if len(token) > MAX_TOKEN_CHARACTERS:
        raise InvalidToken(f"The token is longer than {MAX_TOKEN_CHARACTERS} characters.")


def _claims(
    token: str, key: Ed25519PublicKey | bytes, algorithm: str, audience: str, *, issuer: str | None = None
) -> dict[str, Any]:
    """The claims of a token that is signed with `key` for `audience`; its times are not judged yet."""
    _check_length(token)
    options: Any = {"require": ["exp", "iat", "iss", "aud"], "strict_aud": True, **_CHECKED_BY_US}
    try:
        claims: dict[str, Any] = jwt.decode(
            token, key, algorithms=[algorithm], audience=audience, issuer=issuer, options=options
        )
    except jwt.InvalidAudienceError as error:
        raise InvalidToken("The token is for somebody else.") from error
    except jwt.InvalidIssuerError as error:
        raise InvalidToken("The token was issued by somebody else.") from error
    except jwt.InvalidTokenError as error:
        raise InvalidToken("The token is malformed or its signature is wrong.") from error
    return claims


def _good_until(claims: Mapping[str, Any], clock: Clock) -> float:
    """Unix seconds at which the token stops being good; raises `InvalidToken` if that is not ahead."""
    now = clock.now().timestamp()
    until = _instant(claims, "exp") + LEEWAY_SECONDS
    if until <= now:
        raise InvalidToken("The token has expired.", expired=True)
    if max(_instant(claims, "iat"), _instant(claims, "nbf", default=0)) > now + LEEWAY_SECONDS:
        raise InvalidToken("The token is not good yet.")
    return until


def _instant(claims: Mapping[str, Any], claim: str, default: int | None = None) -> int:
    value = claims.get(claim, default)
    if not isinstance(value, int) or isinstance(value, bool):
        # Fractions are refused too: JSON has NaN in Python, and NaN never expires.
        raise InvalidToken(f"The token's {claim} is not a whole number of seconds.")
    return value


def _name(claims: Mapping[str, Any], claim: str) -> str:
    value = claims.get(claim)
    if not isinstance(value, str) or not value:
        raise InvalidToken(f"The token's {claim} is not a name.")
    return value


def _roles(value: object) -> frozenset[Role]:
    if not isinstance(value, list):
        raise InvalidToken("The token's roles are not a list.")
    return frozenset(role for role in Role if role.value in value)
