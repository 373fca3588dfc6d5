"""What the offline queue needs from outside."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import AbstractAsyncContextManager
from datetime import datetime
from typing import Protocol

from services.orders.model import Basket, OrderId, OrderState
from services.orders.model.offline import Conflict, Ending, QueueDepth, QueuedSale, TillId, TillReport, Turn


class TurnLost(Exception):
    """The till's queue is no longer ours to work on: the lease ended and another worker took it."""


class Tills(Protocol):
    """The tills of the shop, as auth knows them."""

    async def is_known(self, till_id: TillId) -> bool:
        """True for a till of this shop. Raises `PeerUnavailable` when nobody can tell."""
        ...


class Intakes(Protocol):
    """One till's queue while a batch is taken: nobody else adds to any queue until the transaction ends."""

    async def open(self, till_id: TillId, now: datetime) -> int:
        """Open the till's queue, and have it worked on; the highest number that was forgotten, or 0."""
        ...

    async def fingerprints(self, till_id: TillId, sequences: Sequence[int]) -> dict[int, bytes]:
        """The fingerprints of those of these sales that are kept."""
        ...

    async def waiting(self, till_id: TillId) -> tuple[int, int]:
        """How many sales of this till, and of all tills, are still to be worked on."""
        ...

    async def add(self, sales: Sequence[QueuedSale], now: datetime) -> None:
        """Keep these sales, which are not kept yet."""
        ...


class OfflineQueue(Protocol):
    """Sales that wait for their turn, and what became of those that had it.

    Raises `StoreUnavailable` when it does not answer.
    """

    def transaction(self) -> AbstractAsyncContextManager[Intakes]:
        """A transaction: kept when the block ends, undone when it raises."""
        ...

    async def lease(self, limit: int, now: datetime, until: datetime) -> list[Turn]:
        """Take up to `limit` tills that have sales waiting and that nobody holds, longest due first."""
        ...

    async def next(self, turn: Turn, limit: int) -> list[QueuedSale]:
        """Up to `limit` waiting sales of the till, lowest number first."""
        ...

    async def end(self, turn: Turn, sequence: int, ending: Ending, now: datetime, until: datetime) -> None:
        """Keep what a waiting sale became, and hold the till for longer.

        Raises `TurnLost`, and keeps nothing, when another worker holds the till or has ended the sale.
        """
        ...

    async def give_back(self, turn: Turn, due: datetime) -> None:
        """Let others have the till from `due` on, or once a sale arrives if none waits."""
        ...

    async def report(self, till_id: TillId, gaps: int) -> TillReport | None:
        """What became of the till's sales, with up to so many gaps and no conflicts; none if it has none."""
        ...

    async def conflicts(self, till_id: TillId, after: int, limit: int) -> list[Conflict]:
        """Up to `limit` conflicts of the till by number, from the first above `after`."""
        ...

    async def depth(self, now: datetime) -> QueueDepth:
        """How much there is to do."""
        ...

    async def forget(self, ended_before: datetime, limit: int) -> int:
        """Forget up to `limit` sales that ended before this, but not that they were; how many were."""
        ...


class PlacedOrder(Protocol):
    """An order, as far as a sale made offline has to do with it."""

    @property
    def id(self) -> OrderId:
        """The order's id."""
        ...

    @property
    def state(self) -> OrderState:
        """Where it stands."""
        ...

    @property
    def state_reason(self) -> str:
        """Why it was refused or called off; empty otherwise."""
        ...

    @property
    def is_settled(self) -> bool:
        """True when it no longer moves by itself."""
        ...


class PlaceOrder(Protocol):
    """Places an order for the running request and waits for it to settle: `Ordering.place`."""

    async def __call__(self, basket: Basket, fingerprint: bytes) -> PlacedOrder:
        """The order in the state it reached. Repeating the attempt places nothing. Raises a `Refusal`."""
        ...


class VerifyAge(Protocol):
    """Keeps an age check for the running request and waits for its order: `AgeVerifications.verify`."""

    async def __call__(self, order_id: str, method: str, *, is_met: bool, fingerprint: bytes) -> PlacedOrder:
        """The order in the state it reached. Repeating the attempt keeps nothing. Raises a `Refusal`."""
        ...


class OfflineSignals(Protocol):
    """What others see of the offline queue. Synthetic sales are reported to nobody."""

    def batch_taken(self, accepted: int, repeated: int, refused: int) -> None:
        """A batch was answered."""
        ...

    def batch_refused(self, reason: str) -> None:
        """A batch was refused; nothing of it is kept."""
        ...

    def sale_completed(self) -> None:
        """A sale became a paid order."""
        ...

    def sale_conflicted(self, reason: str) -> None:
        """A sale became a conflict."""
        ...

    def depth_measured(self, depth: QueueDepth) -> None:
        """There is so much to do."""
        ...
