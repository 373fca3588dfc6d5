"""Sales that a till made while it was cut off, and what becomes of each.

A sale waits until it becomes an order or a conflict, and then never changes again.
What the till says of time is kept for people; the numbers alone put sales in order.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from hashlib import sha256
from typing import NewType

from services.orders.model.baskets import Basket
from services.orders.model.money import Money
from services.orders.model.orders import OrderId
from services.orders.model.products import Sku

TillId = NewType("TillId", str)


@dataclass(frozen=True, slots=True)
class OfflineAgeCheck:
    """A check of the buyer's age, as its till tells it: not yet validated."""

    method: str
    is_met: bool


@dataclass(frozen=True, slots=True)
class OfflineSale:
    """One sale, as its till tells it.

    Attributes:
        sequence: The till's own number for it.
        sale_time: By the till's clock; None where it gave no time that is one. Trusted for nothing.
        till_id: The till that sold, by what the sale itself says.
        charged: What the till took for all of it.
        age_check: None where none was made.
        content: The sale as it was sent: equal for equal sales, within one version of this program.
    """

    sequence: int
    sale_time: datetime | None
    till_id: str
    charged: Money
    basket: Basket
    age_check: OfflineAgeCheck | None
    content: bytes = field(repr=False)

    @property
    def fingerprint(self) -> bytes:
        """SHA-256 of the sale."""
        return sha256(self.content).digest()


@dataclass(frozen=True, slots=True)
class QueuedSale:
    """A sale that was taken.

    Attributes:
        placed_by: The user who sent it.
        synthetic: Test traffic, kept out of every business figure.
        request_id: The request that brought it.
    """

    till_id: TillId
    sale: OfflineSale
    placed_by: str
    synthetic: bool
    request_id: str


class RefusalReason(StrEnum):
    """Why a sale of a batch is not taken. See offline.proto."""

    INVALID_ARGUMENT = "INVALID_ARGUMENT"
    SEQUENCE_REUSED = "SEQUENCE_REUSED"
    SEQUENCE_FORGOTTEN = "SEQUENCE_FORGOTTEN"


@dataclass(frozen=True, slots=True)
class SaleFault:
    """One fault of one field of a sale."""

    field: str
    description: str


@dataclass(frozen=True, slots=True)
class RefusedSale:
    """A sale that is not taken.

    Attributes:
        index: Its place in its batch, from 0.
    """

    index: int
    sequence: int
    reason: RefusalReason
    faults: tuple[SaleFault, ...] = ()


@dataclass(frozen=True, slots=True)
class Intake:
    """What became of a batch.

    Attributes:
        accepted: Sales that are kept now and were not before.
        repeated: Sales that were kept already.
        refused: The others, in the order they were sent.
    """

    accepted: int
    repeated: int
    refused: tuple[RefusedSale, ...]


@dataclass(frozen=True, slots=True)
class Turn:
    """A till's queue, leased: whoever holds the newest token may work on it.

    Attributes:
        token: Fencing token; it grows with each lease.
    """

    till_id: TillId
    token: int


@dataclass(frozen=True, slots=True)
class Ending:
    """What a sale became: a paid order, or a conflict.

    Attributes:
        order_id: The order that was placed; None for a sale that none was placed for.
        reason: Why it is a conflict; empty for a paid order.
        description: The same, for a person.
    """

    order_id: OrderId | None
    reason: str = ""
    description: str = ""

    @property
    def is_conflict(self) -> bool:
        """True for a sale that could not be settled as it was made."""
        return bool(self.reason)


@dataclass(frozen=True, slots=True)
class Conflict:
    """A sale that could not be settled as it was made."""

    sequence: int
    sale_time: datetime
    charged: Money
    ending: Ending


@dataclass(frozen=True, slots=True)
class Gap:
    """Numbers, one after the other, that never arrived."""

    first: int
    last: int


@dataclass(frozen=True, slots=True)
class TillReport:
    """What became of a till's sales, as far as they are kept.

    Attributes:
        conflicted: Conflicts in all; `conflicts` are some of them, by number.
        next_token: Empty when no conflict follows.
    """

    waiting: int
    completed: int
    conflicted: int
    gaps: tuple[Gap, ...]
    conflicts: tuple[Conflict, ...]
    next_token: str = ""


@dataclass(frozen=True, slots=True)
class QueueDepth:
    """How much there is to do, synthetic sales aside.

    Attributes:
        oldest_seconds: How long the sale that was taken first has waited; 0 when none waits.
    """

    waiting: int
    oldest_seconds: float


def skus_of(basket: Basket) -> list[Sku]:
    """What a basket names."""
    return [Sku(line.sku) for line in basket.lines]
