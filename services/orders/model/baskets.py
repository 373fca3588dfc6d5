"""What somebody wants to buy, as asked for."""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class BasketLine:
    """One position of a basket, as asked for: not yet validated."""

    sku: str
    quantity: int


@dataclass(frozen=True, slots=True)
class Basket:
    """What somebody wants to buy, as asked for: not yet validated.

    Attributes:
        cards: The provider's handle of each card tender; empty for a tender without a method.
    """

    lines: tuple[BasketLine, ...]
    cards: tuple[str, ...] = field(repr=False)
