"""The published keys that verify the tokens of people, fetched and kept.

Promises at most one fetch at a time, none that a stranger can cause more than once
in a few seconds, and none that a caller waits for while the key it needs is at
hand. Refuses to trust keys for ever when nobody confirms them.
"""

from __future__ import annotations

import asyncio
from base64 import urlsafe_b64decode
from collections.abc import Awaitable, Callable, Mapping
from contextvars import Context
from typing import Any

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from servicekit.clock import Clock
from servicekit.errors import Kind, Refusal
from servicekit.logs import logger

KeySource = Callable[[], Awaitable[Mapping[str, Any]]]
"""Answers a JSON Web Key Set (RFC 7517 section 5); may fail in any way."""

UNKNOWN_KEY_PAUSE_SECONDS = 5.0
"""Tokens that name unknown keys cause one fetch in this time at most: strangers can make such tokens."""
RETRY_SECONDS = 1.0
"""Pause after a fetch that failed."""
FETCH_SECONDS = 5.0
"""A fetch that takes longer has failed."""
STALE_SECONDS = 3600.0
"""How long keys outlive their last fetch. Tokens live 15 minutes and none are signed while auth is
away, so an hour outlasts every honest token; a withdrawn key must not be trusted for ever."""

_log = logger(__name__)


class KeysUnavailable(Refusal):
    """No key was ever fetched, or none lately enough: nobody can be recognised."""

    kind = Kind.UNAVAILABLE
    reason = "KEYS_UNAVAILABLE"


class Keys:
    """Ed25519 keys by their id.

    Past their time to live they are fetched again in the background, while callers
    go on with the ones at hand. While the source fails they are kept, for
    `STALE_SECONDS` at most.

    Args:
        source: Where the keys are published.
        clock: What their age is measured with.
        ttl_seconds: The age at which they are fetched again.
        on_withdrawal: Called when a key that was published is so no more.
    """

    def __init__(
        self, source: KeySource, clock: Clock, ttl_seconds: float, on_withdrawal: Callable[[], None]
    ) -> None:
        self._source = source
        self._clock = clock
        self._ttl_seconds = ttl_seconds
        self._on_withdrawal = on_withdrawal
        self._keys: dict[str, Ed25519PublicKey] = {}
        self._fetched_at = 0.0
        self._due_at = float("-inf")
        self._may_ask_at = float("-inf")
        self._failing = False
        self._fetching: asyncio.Task[None] | None = None

    async def find(self, kid: str) -> Ed25519PublicKey | None:
        """The key called `kid`, or `None` if no such key is published; raises `KeysUnavailable`."""
        if not self._usable() or kid not in self._keys:
            await self._fetch()
        if not self._usable():
            raise KeysUnavailable(
                "The keys that verify tokens cannot be reached.", retry_after_seconds=RETRY_SECONDS
            )
        self.renew()
        return self._keys.get(kid)

    def renew(self) -> None:
        """Start to fetch in the background if the keys are due; never waits."""
        if self._clock.monotonic() >= self._due_at:
            self._start()

    def _usable(self) -> bool:
        return bool(self._keys) and self._clock.monotonic() < self._fetched_at + STALE_SECONDS

    async def _fetch(self) -> None:
        """Wait for the fetch in flight, or for a new one unless it is too early for that."""
        fetching = self._start()
        if fetching is not None:
            # Shielded: a caller that gives up must not take the fetch from the others.
            await asyncio.shield(fetching)

    def _start(self) -> asyncio.Task[None] | None:
        if self._fetching is None and self._clock.monotonic() >= self._may_ask_at:
            # In a context of its own: keys belong to no request, and must not end at one's deadline.
            self._fetching = asyncio.get_running_loop().create_task(self._ask(), context=Context())
        return self._fetching

    async def _ask(self) -> None:
        try:
            async with asyncio.timeout(FETCH_SECONDS):
                keys = _parsed(await self._source())
        except Exception as error:  # noqa: BLE001 - whatever a source raises means "no new keys"
            self._fail(type(error).__name__)
        else:
            if keys:
                self._replace(keys)
            else:
                self._fail("EmptyKeySet")
        finally:
            self._fetching = None

    def _fail(self, fault: str) -> None:
        self._due_at = self._may_ask_at = self._clock.monotonic() + RETRY_SECONDS
        if not self._failing:
            self._failing = True
            _log.warning("keys_fetch_failed", fault=fault, keys_kept=len(self._keys))

    def _replace(self, keys: dict[str, Ed25519PublicKey]) -> None:
        if self._keys.keys() - keys.keys():
            self._on_withdrawal()
        self._keys = keys
        self._fetched_at = self._clock.monotonic()
        self._due_at = self._fetched_at + self._ttl_seconds
        self._may_ask_at = self._fetched_at + UNKNOWN_KEY_PAUSE_SECONDS
        if self._failing:
            self._failing = False
            _log.info("keys_fetch_recovered", keys=len(keys))


def _parsed(key_set: Mapping[str, Any]) -> dict[str, Ed25519PublicKey]:
    """The keys of a set that we can use; others are left out, as RFC 7517 section 5 asks."""
    keys = {}
    for entry in key_set.get("keys", ()):
        if entry.get("kty") == "OKP" and entry.get("crv") == "Ed25519" and entry.get("kid"):
            padded = entry["x"] + "=" * (-len(entry["x"]) % 4)
            keys[entry["kid"]] = Ed25519PublicKey.from_public_bytes(urlsafe_b64decode(padded))
    return keys
