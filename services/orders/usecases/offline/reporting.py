"""What became of a till's offline sales."""

from __future__ import annotations

from dataclasses import replace
from typing import Final

from servicekit.errors import InvalidArgument
from services.orders.errors import UnknownTill
from services.orders.model.offline import TillId, TillReport
from services.orders.ports.offline import OfflineQueue, Tills
from services.orders.usecases.paging import (
    DEFAULT_PAGE_SIZE,
    key_of,
    page_of,
    size_violations,
    token_violations,
)

MAX_GAPS: Final = 100
_NOTHING: Final = TillReport(waiting=0, completed=0, conflicted=0, gaps=(), conflicts=())


class OfflineReports:
    """Reports to tills and to the staff."""

    def __init__(self, queue: OfflineQueue, tills: Tills) -> None:
        self._queue = queue
        self._tills = tills

    async def of(self, till: str, page_size: int, page_token: str) -> TillReport:
        """One till's report, with a page of its conflicts. Raises `UnknownTill`."""
        violations = [*size_violations(page_size), *token_violations(page_token, _is_sequence)]
        if violations:
            raise InvalidArgument("the page asked for does not exist", violations=violations)
        till_id = TillId(till)
        report = await self._queue.report(till_id, MAX_GAPS)
        if report is None:
            return await self._empty(till_id)
        size = page_size or DEFAULT_PAGE_SIZE
        after = int(key_of(page_token) or 0)
        found = await self._queue.conflicts(till_id, after, size + 1)
        page = page_of(found, size, lambda conflict: str(conflict.sequence))
        return replace(report, conflicts=page.items, next_token=page.next_token)

    async def _empty(self, till_id: TillId) -> TillReport:
        if not await self._tills.is_known(till_id):
            raise UnknownTill("there is no till with this id")
        return _NOTHING


def _is_sequence(text: str) -> bool:
    return text.isascii() and text.isdecimal() and int(text) < 2**63
