"""Work that gave up, in memory."""

from __future__ import annotations

from collections.abc import Callable

from typing_extensions import override

from services.orders.model import DeadLetter, ErrandId
from services.orders.ports import DeadLetters
from services.orders.store.memory.kept import Kept


class MemoryDeadLetters(DeadLetters):
    """Work that gave up."""

    def __init__(self, kept: Callable[[], Kept]) -> None:
        self._kept = kept

    @override
    async def page(self, after: ErrandId | None, limit: int) -> list[DeadLetter]:
        letters = self._kept().dead_letters
        return [letters[one][0] for one in sorted(letters) if after is None or one > after][:limit]

    @override
    async def replay(self, letter_id: ErrandId) -> bool:
        if letter_id not in self._kept().dead_letters:
            return False
        _, errand = self._kept().dead_letters.pop(letter_id)
        self._kept().errands[letter_id] = errand
        self._kept().leased_until.pop(letter_id, None)
        return True
