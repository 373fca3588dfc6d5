"""Batches of sales, taken durably and at once: in one transaction, the good rows of it or none.

A sale is named by its till and number. The same sale again is accepted without effect;
another sale under a used number is refused, alone. When a queue is full nothing of the
batch is taken: half of one would leave a till to guess which half.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Final

from servicekit.clock import Clock
from servicekit.context import current
from servicekit.errors import FieldViolation, InvalidArgument, Refusal
from services.orders.errors import OfflineQueueFull, UnknownTill
from services.orders.model.offline import (
    Intake,
    OfflineSale,
    QueuedSale,
    RefusalReason,
    RefusedSale,
    TillId,
)
from services.orders.ports.offline import Intakes, OfflineQueue, OfflineSignals, Tills
from services.orders.usecases.offline.checking import faults_of

MAX_BATCH: Final = 1000
RETRY_AFTER: Final = timedelta(seconds=10)
"""When a till whose queue was full may try again: some hundred sales are placed meanwhile."""


@dataclass(frozen=True, slots=True)
class Limits:
    """How many sales may wait.

    Attributes:
        per_till: Of one till.
        in_total: Of all tills.
    """

    per_till: int
    in_total: int


class OfflineIntake:
    """Takes batches."""

    def __init__(
        self, queue: OfflineQueue, tills: Tills, signals: OfflineSignals, clock: Clock, limits: Limits
    ) -> None:
        self._queue = queue
        self._tills = tills
        self._signals = signals
        self._clock = clock
        self._limits = limits

    async def take(self, till: str, sales: Sequence[OfflineSale]) -> Intake:
        """Keep the sales of one till; what became of each.

        Raises `UnknownTill`, `OfflineQueueFull`, `InvalidArgument` for a batch that is too small or too
        large, `PeerUnavailable` or `StoreUnavailable`: then nothing is kept that was not before.
        """
        try:
            intake = await self._take(TillId(till), sales)
        except Refusal as refusal:
            if not current().synthetic:
                self._signals.batch_refused(refusal.reason)
            raise
        if not current().synthetic:
            self._signals.batch_taken(intake.accepted, intake.repeated, len(intake.refused))
        return intake

    async def _take(self, till_id: TillId, sales: Sequence[OfflineSale]) -> Intake:
        if not 1 <= len(sales) <= MAX_BATCH:
            fault = FieldViolation("sales", f"must have 1 to {MAX_BATCH} sales")
            raise InvalidArgument("the batch is not valid", violations=[fault])
        if not await self._tills.is_known(till_id):
            raise UnknownTill("there is no till with this id")
        batch = _Batch()
        good = [(index, sale) for index, sale in enumerate(sales) if batch.is_valid(index, sale, till_id)]
        if good:
            async with self._queue.transaction() as queue:
                await self._keep(queue, till_id, good, batch)
        return batch.intake()

    async def _keep(
        self, queue: Intakes, till_id: TillId, good: Sequence[tuple[int, OfflineSale]], batch: _Batch
    ) -> None:
        now = self._clock.now()
        forgotten = await queue.open(till_id, now)
        kept = await queue.fingerprints(till_id, [sale.sequence for _, sale in good])
        new = [sale for index, sale in good if batch.is_new(index, sale, kept, forgotten)]
        if new:
            await self._require_room(queue, till_id, len(new))
            await queue.add([_queued(till_id, sale) for sale in new], now)

    async def _require_room(self, queue: Intakes, till_id: TillId, wanted: int) -> None:
        of_till, of_all = await queue.waiting(till_id)
        if of_till + wanted > self._limits.per_till:
            raise _full("this till has as many sales waiting as it may", of_till, self._limits.per_till)
        if of_all + wanted > self._limits.in_total:
            raise _full("as many sales are waiting as may", of_all, self._limits.in_total)


class _Batch:
    """What is found of one batch, row by row."""

    def __init__(self) -> None:
        self._accepted = 0
        self._repeated = 0
        self._refused: list[RefusedSale] = []

    def is_valid(self, index: int, sale: OfflineSale, till_id: TillId) -> bool:
        faults = faults_of(sale, till_id)
        if faults:
            refused = RefusedSale(index, sale.sequence, RefusalReason.INVALID_ARGUMENT, faults)
            self._refused.append(refused)
        return not faults

    def is_new(self, index: int, sale: OfflineSale, kept: dict[int, bytes], forgotten: int) -> bool:
        """True for a sale that is to be kept; `kept` has it from then on."""
        known = kept.get(sale.sequence)
        if known == sale.fingerprint:
            self._repeated += 1
        elif known is not None:
            self._refuse(index, sale, RefusalReason.SEQUENCE_REUSED)
        elif sale.sequence <= forgotten:
            self._refuse(index, sale, RefusalReason.SEQUENCE_FORGOTTEN)
        else:
            kept[sale.sequence] = sale.fingerprint
            self._accepted += 1
            return True
        return False

    def intake(self) -> Intake:
        in_order = sorted(self._refused, key=lambda refused: refused.index)
        return Intake(self._accepted, self._repeated, tuple(in_order))

    def _refuse(self, index: int, sale: OfflineSale, reason: RefusalReason) -> None:
        self._refused.append(RefusedSale(index, sale.sequence, reason))


def _queued(till_id: TillId, sale: OfflineSale) -> QueuedSale:
    request = current()
    return QueuedSale(till_id, sale, request.caller.subject, request.synthetic, request.request_id)


def _full(message: str, waiting: int, limit: int) -> OfflineQueueFull:
    return OfflineQueueFull(
        message,
        metadata={"waiting": str(waiting), "limit": str(limit)},
        retry_after_seconds=RETRY_AFTER.total_seconds(),
    )
