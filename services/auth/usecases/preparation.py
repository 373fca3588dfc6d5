"""What must have happened before this process can serve, and what it does from time to time."""

from __future__ import annotations

from datetime import timedelta

from servicekit.clock import Clock
from servicekit.errors import Refusal
from services.auth.errors import EmailTaken
from services.auth.model import UserDraft
from services.auth.ports import Store
from services.auth.usecases import validation
from services.auth.usecases.access import Keyring
from services.auth.usecases.directory import Directory
from services.auth.usecases.tills import OVERLAP

ATTEMPT_LIFE = timedelta(days=1)
"""An Idempotency-Key is remembered this long; no client repeats a call a day later."""


class Preparation:
    """Makes or loads the signing keys, and makes the first user of an empty shop.

    Attributes:
        pending: Why this process is not prepared, for people; empty once it is.
    """

    def __init__(
        self, store: Store, keyring: Keyring, directory: Directory, first_admin: UserDraft | None
    ) -> None:
        self._store = store
        self._keyring = keyring
        self._directory = directory
        self._first_admin = first_admin
        self.pending = "signing keys are not loaded yet"

    async def run(self) -> None:
        """Prepare. Raises what stands in the way; may be repeated, and finished work is not done again."""
        try:
            await self._keyring.newest()
            if self._first_admin is not None and await self._store.users.is_empty():
                await self._add(self._first_admin)
        except Exception as error:
            self.pending = error.message if isinstance(error, Refusal) else type(error).__name__
            raise
        self.pending = ""

    async def _add(self, draft: UserDraft) -> None:
        account = await self._directory.account_of(validation.new_user(draft))
        try:
            async with self._store.transaction() as tables:
                await tables.users.add(account)
        except EmailTaken:
            return  # Another replica was quicker: the shop has its first user.


class Retention:
    """Forgets what has no use any more."""

    def __init__(self, store: Store, clock: Clock) -> None:
        self._store = store
        self._clock = clock

    async def sweep(self) -> int:
        """Drop sessions that are over by their age, old attempts and replaced keys; how many went."""
        now = self._clock.now()
        async with self._store.transaction() as tables:
            sessions = await tables.sessions.forget(expired_before=now)
            attempts = await tables.attempts.forget(made_before=now - ATTEMPT_LIFE)
            keys = await tables.tills.forget_keys(replaced_before=now - OVERLAP)
        return sessions + attempts + keys
