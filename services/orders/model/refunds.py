"""Money that goes back to the buyer of a completed order."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import NewType

RefundId = NewType("RefundId", str)


@dataclass(frozen=True, slots=True)
class Refund:
    """A refund that was asked for, and perhaps made.

    Attributes:
        id: The name under which the payments service gives the money back once.
        shares: Minor units to give back of each tender, in their order.
        made_at_sequence: Number of the order's event that says the money is back; none before.
    """

    id: RefundId
    shares: tuple[int, ...]
    requested_by: str
    requested_at: datetime
    made_at_sequence: int | None = None

    @property
    def minor_units(self) -> int:
        """How much in sum."""
        return sum(self.shares)

    def is_made(self, sequence: int) -> bool:
        """True if the money was back when the order's last event had this number."""
        return self.made_at_sequence is not None and self.made_at_sequence <= sequence


def split(minor_units: int, left: Sequence[int]) -> tuple[int, ...]:
    """An amount over the shares, filling the first before the next.

    Args:
        minor_units: At most the sum of `left`.
        left: What may still be given back of each share.
    """
    shares: list[int] = []
    for most in left:
        share = min(most, minor_units)
        shares.append(share)
        minor_units -= share
    return tuple(shares)
