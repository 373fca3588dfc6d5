"""Holding the books against the payments: what each says by itself must be the same."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TypeVar

from services.payments.ports import Store

K = TypeVar("K", bound=str)


@dataclass(frozen=True, slots=True)
class Discrepancy:
    """Something that the ledger and the rows say differently.

    Attributes:
        of: A payment's id, a ledger transaction's, or the currency of gift cards.
        kept: What the rows say.
        booked: What the ledger says.
    """

    of: str
    kept: object
    booked: object


class Bookkeeping:
    """Rebuilds balances from the ledger and compares."""

    def __init__(self, store: Store) -> None:
        self._store = store

    async def compare(self) -> list[Discrepancy]:
        """Everything that does not agree; nothing, if nobody wrote past us."""
        kept, booked = await self._store.standings(), await self._store.standings_by_the_books()
        cards = await self._store.gift_card_money()
        card_books = await self._store.gift_card_money_by_the_books()
        return [
            *(Discrepancy(name, "sums to zero", "does not") for name in await self._store.unbalanced()),
            *_differences(kept, booked),
            *_differences(cards, card_books),
        ]


def _differences(kept: Mapping[K, object], booked: Mapping[K, object]) -> list[Discrepancy]:
    names = sorted(kept.keys() | booked.keys())
    return [
        Discrepancy(name, kept.get(name), booked.get(name))
        for name in names
        if kept.get(name) != booked.get(name)
    ]
