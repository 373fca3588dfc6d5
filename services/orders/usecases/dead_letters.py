"""Work that gave up: a person looks at it, mends the cause, and puts it back to work."""

from __future__ import annotations

from servicekit.clock import Clock
from servicekit.errors import InvalidArgument
from services.orders.errors import DeadLetterNotFound
from services.orders.model import DeadLetter, ErrandId, Page
from services.orders.ports import Signals, Store
from services.orders.usecases.attempts import attempt_of, made_before
from services.orders.usecases.fields import is_id
from services.orders.usecases.paging import (
    DEFAULT_PAGE_SIZE,
    key_of,
    page_of,
    size_violations,
    token_violations,
)


class DeadLetterOffice:
    """The dead letters of the shop."""

    def __init__(self, store: Store, signals: Signals, clock: Clock) -> None:
        self._store = store
        self._signals = signals
        self._clock = clock

    async def list(self, page_size: int, page_token: str) -> Page[DeadLetter]:
        """A page of dead letters, oldest first."""
        violations = [*size_violations(page_size), *token_violations(page_token, is_id)]
        if violations:
            raise InvalidArgument("the page asked for does not exist", violations=violations)
        size = page_size or DEFAULT_PAGE_SIZE
        after = ErrandId(key_of(page_token)) if page_token else None
        found = await self._store.dead_letters.page(after, size + 1)
        return page_of(found, size, lambda letter: letter.id)

    async def replay(self, letter_id: str, fingerprint: bytes) -> None:
        """Put one back to work. Repeating the attempt replays nothing."""
        attempt = attempt_of("dead_letters.replay", fingerprint)
        async with self._store.transaction() as tx:
            made = await made_before(tx, attempt, letter_id, self._clock.now())
            if made is not None:
                return
            if not is_id(letter_id) or not await tx.dead_letters.replay(ErrandId(letter_id)):
                raise DeadLetterNotFound("there is no dead letter with this id")
        self._signals.dead_letter_replayed()
