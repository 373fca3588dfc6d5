"""Work that is leased, and attempts that are named."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import NewType

from services.orders.model.orders import OrderId

ErrandId = NewType("ErrandId", str)


@dataclass(frozen=True, slots=True)
class Errand:
    """Work on one order, leased: whoever holds the newest token may finish it.

    Attributes:
        token: Fencing token; it grows with each lease.
    """

    id: ErrandId
    order_id: OrderId
    token: int


@dataclass(frozen=True, slots=True)
class Attempt:
    """A caller's named attempt at an operation.

    Attributes:
        caller: Whose names these are: two callers may use the same key.
        operation: What is attempted; a key of one operation says nothing about another.
        fingerprint: SHA-256 of the request.
    """

    caller: str
    operation: str
    key: str
    fingerprint: bytes


@dataclass(frozen=True, slots=True)
class Outcome:
    """What an earlier attempt left.

    Attributes:
        fingerprint: SHA-256 of the request it was made with.
        made: Name of what it made: an order's id, a SKU, a delivery's id.
    """

    fingerprint: bytes
    made: str


@dataclass(frozen=True, slots=True)
class DeadLetter:
    """Work that gave up, until somebody replays it.

    Attributes:
        key: What it was to be done to: an order's id.
        failure: The last failure, without secrets.
    """

    id: ErrandId
    kind: str
    key: str
    failure: str
    gave_up_at: datetime
