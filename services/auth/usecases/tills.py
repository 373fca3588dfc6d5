"""The tills of the shop, and their keys.

A key is not kept anywhere: it is derived from the till, the key's number and a secret
that is not in the database (HKDF, RFC 5869, then HMAC). So a repeated attempt can be
shown the same key, a copy of the database shows none, and whoever changes
SIGNING_KEY_SECRET replaces the keys of all tills.
"""

from __future__ import annotations

import hmac
from base64 import urlsafe_b64encode
from dataclasses import dataclass, replace
from datetime import timedelta
from hashlib import sha256

from servicekit.clock import Clock, MakeId
from services.auth.errors import TillNotFound
from services.auth.model import Attempt, KeyIssue, Till, TillId, TillPage, till_id_of
from services.auth.ports import Store
from services.auth.usecases import validation
from services.auth.usecases.directory import Fingerprint

OVERLAP = timedelta(minutes=5)
"""How long a key that was replaced still works (security.proto)."""


class TillKeys:
    """Makes tills' keys, always the same for the same number of the same till."""

    def __init__(self, secret: bytes) -> None:
        self._secret = secret

    def key(self, till_id: TillId, number: int) -> str:
        """The till's key with this number: 256 bits, safe in a URL."""
        derived = hmac.digest(self._secret, f"{till_id}/{number}".encode(), sha256)
        return urlsafe_b64encode(derived).rstrip(b"=").decode()

    def holds(self, till_id: TillId, numbers: list[int], claimed: str) -> bool:
        """True when `claimed` is one of these keys; takes as long for a near miss as for any other."""
        keys = [self.key(till_id, number).encode() for number in numbers]
        return any([hmac.compare_digest(key, claimed.encode()) for key in keys])  # noqa: C419 - all are compared


@dataclass(frozen=True, slots=True)
class CheckedTill:
    """A till, and whether a key that somebody showed is one of its own."""

    till: Till
    key_holds: bool


class Tills:
    """Keeps tills. Who may ask is decided before a call comes here."""

    def __init__(
        self, store: Store, keys: TillKeys, clock: Clock, make_id: MakeId, fingerprint: Fingerprint
    ) -> None:
        self._store = store
        self._keys = keys
        self._clock = clock
        self._make_id = make_id
        self._fingerprint = fingerprint

    async def create(self, name: str, attempt: Attempt) -> tuple[Till, str]:
        """Register a till; it and its key. Raises `TillNameTaken`. The same attempt again shows the same."""
        name = validation.till_name(name)
        attempt = self._named(attempt, "CreateTill", name)
        till = Till(TillId(self._make_id()), name, self._clock.now())
        async with self._store.transaction() as tables:
            issue = KeyIssue(till, 1)
            earlier = await tables.attempts.keep(attempt, issue, self._clock.now())
            if earlier is None:
                await tables.tills.add(till)
        return self._shown(earlier or issue)

    async def rotate_key(self, till_id: str, attempt: Attempt) -> str:
        """Replace a till's key; the new one. Raises `TillNotFound`. The same attempt again shows the same."""
        attempt = self._named(attempt, "RotateTillKey", till_id)
        async with self._store.transaction() as tables:
            newest = await tables.tills.lock(_known(till_id))
            if newest is None:
                raise _not_found()
            issue = newest.next()
            earlier = await tables.attempts.keep(attempt, issue, self._clock.now())
            if earlier is None:
                await tables.tills.issue(issue, self._clock.now())
        return self._shown(earlier or issue)[1]

    async def check(self, till_id: str, key: str) -> CheckedTill:
        """One till, and whether `key` is one of its own that works now. Raises `TillNotFound`."""
        till = await self._store.tills.get(_known(till_id))
        if till is None:
            raise _not_found()
        if not key:
            return CheckedTill(till, key_holds=False)
        numbers = await self._store.tills.keys(till.id, self._clock.now() - OVERLAP)
        return CheckedTill(till, self._keys.holds(till.id, numbers, key))

    async def page(self, page_size: int, page_token: str) -> TillPage:
        """Some tills, by name."""
        limit, after = validation.till_page(page_size, page_token)
        tills = await self._store.tills.page(after, limit + 1)
        shown = tuple(tills[:limit])
        return TillPage(shown, next_after=shown[-1].name if len(tills) > limit else None)

    def _shown(self, issue: KeyIssue) -> tuple[Till, str]:
        return issue.till, self._keys.key(issue.till.id, issue.number)

    def _named(self, attempt: Attempt, *request: object) -> Attempt:
        return replace(validation.attempt(attempt), fingerprint=self._fingerprint(*request))


def _known(till_id: str) -> TillId:
    known = till_id_of(till_id)
    if known is None:
        raise _not_found()
    return known


def _not_found() -> TillNotFound:
    return TillNotFound("There is no till with this id.")
