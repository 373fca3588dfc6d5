"""Background loops: lease work, call one use case, and rest."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Final

from opentelemetry.trace import Tracer

from servicekit.clock import Clock
from servicekit.errors import StoreUnavailable
from servicekit.instruments import Instruments
from servicekit.logs import logger
from servicekit.outbox import Job, Outbox, OutboxWorker, Pace, Retries
from services.orders.model import Errand, ErrandId, OrderId
from services.orders.model.offline import Turn
from services.orders.ports import OrderMoved, PaymentUnsettled
from services.orders.ports.offline import TurnLost
from services.orders.usecases import Changes, Settling
from services.orders.usecases.offline import OfflinePlacing, SaleUnsettled

LOOK_SECONDS: Final = 0.25
"""How often the store is asked about awaited orders: only another replica's news comes this way."""

EXPIRY_SECONDS: Final = 5.0
"""How often orders are looked for whose reservation has ended."""

RETENTION_SECONDS: Final = 3600.0
"""How often names of attempts are looked for that are too old to be repeated."""

STANDING_SECONDS: Final = 15.0
"""How often it is measured how the shop stands: three times between two looks of a usual Prometheus."""

CONVERSIONS_SECONDS: Final = 5.0
"""How often customers who took part in an experiment are looked at, a thousand at a time."""

PACE: Final = Pace(concurrency=64)
"""An order at work mostly waits for the provider, which takes a second for the two calls of one."""

UNTIL_SETTLED: Final = Retries(
    max_attempts=10_000,
    longest_seconds=10,
    outages=(PaymentUnsettled, StoreUnavailable, OrderMoved),
    max_attempts_at_fault=25,
)
"""An order is tried for half a day while payments is away or does not know, and heals within seconds.

Giving up is no way out of an unknown payment: the stock would be held with nobody at work on it.
Any other failure is a fault of ours: after some two minutes of it the errand is a dead letter, which
a person sees, and replays once the fault is mended.
"""

OFFLINE_TILLS: Final = 32
"""Tills whose offline sales are placed at once, each one sale after the other."""

OFFLINE_POLL_SECONDS: Final = 0.5
"""How often to look for tills whose sales another replica took, or whose lease ran out."""

OFFLINE_MEASURE_SECONDS: Final = 5.0
OFFLINE_FORGET_SECONDS: Final = 3600.0

log = logger(__name__)


class SettlingWorker:
    """Leases errands and settles their orders. Once it stops, nobody here waits for a settlement."""

    def __init__(
        self,
        outbox: Outbox,
        settling: Settling,
        changes: Changes,
        instruments: Instruments | None = None,
        tracer: Tracer | None = None,
    ) -> None:
        self._settling = settling
        self._changes = changes
        self._worker = OutboxWorker(
            outbox, self._settle, pace=PACE, retries=UNTIL_SETTLED, instruments=instruments, tracer=tracer
        )

    async def run(self, stop: asyncio.Event) -> None:
        """Work until `stop` is set and the work at hand is done or given back."""
        try:
            await self._worker.run(stop)
        finally:
            self._changes.release()

    async def _settle(self, job: Job) -> None:
        order = await self._settling.settle(Errand(ErrandId(job.id), OrderId(job.key), job.token))
        log.info("order_settled", order_id=order.id, state=order.state, reason=order.state_reason)


class Rounds:
    """Does one thing over and over until the process stops; it goes on once a store that was away is back.

    Args:
        name: What is done, for the log.
        seconds: How long to rest in between.
        go: One round.
    """

    def __init__(self, name: str, seconds: float, go: Callable[[], Awaitable[object]], clock: Clock) -> None:
        self._name = name
        self._seconds = seconds
        self._go = go
        self._clock = clock
        self._is_away = False

    async def run(self, stop: asyncio.Event) -> None:
        """Go on until `stop` is set; a round that runs by then is broken off."""
        async with asyncio.TaskGroup() as group:
            going = group.create_task(self._go_on())
            await stop.wait()
            going.cancel()

    async def _go_on(self) -> None:
        while True:
            await self._clock.sleep(self._seconds)
            try:
                await self._go()
            except StoreUnavailable as fault:
                if not self._is_away:
                    log.warning("rounds_interrupted", work=self._name, reason=fault.message)
                self._is_away = True
            else:
                if self._is_away:
                    log.info("rounds_resumed", work=self._name)
                self._is_away = False


class OfflineWorker:
    """Works on the offline queue. What one till's sale runs into holds up no other till.

    A turn that fails for a reason of ours is not given back: its lease runs out, and the
    same sale is tried again then.
    """

    def __init__(self, placing: OfflinePlacing, clock: Clock) -> None:
        self._placing = placing
        self._clock = clock
        self._serving: set[asyncio.Task[None]] = set()
        self._woken = asyncio.Event()
        self._is_blind = False

    async def run(self, stop: asyncio.Event) -> None:
        """Work until `stop` is set and the sales at hand have ended or been put off."""
        async with asyncio.TaskGroup() as group:
            waking = group.create_task(self._wake_at(stop))
            polling = group.create_task(self._poll())
            while not stop.is_set():
                self._woken.clear()  # before looking: whatever happens from now on wakes us again
                for turn in await self._lease():
                    task = group.create_task(self._serve(turn, stop))
                    self._serving.add(task)
                    task.add_done_callback(self._served)
                await self._woken.wait()
            waking.cancel()
            polling.cancel()

    def wake(self) -> None:
        """Look for work now."""
        self._woken.set()

    async def _wake_at(self, stop: asyncio.Event) -> None:
        await stop.wait()
        self.wake()

    async def _poll(self) -> None:
        while True:
            await self._clock.sleep(OFFLINE_POLL_SECONDS)
            self.wake()

    def _served(self, task: asyncio.Task[None]) -> None:
        self._serving.discard(task)
        self.wake()

    async def _lease(self) -> list[Turn]:
        room = OFFLINE_TILLS - len(self._serving)
        if room == 0:
            return []
        try:
            turns = await self._placing.lease(room)
        except StoreUnavailable as fault:
            if not self._is_blind:
                log.warning("offline_queue_unreachable", reason=fault.message)
            self._is_blind = True
            return []
        self._is_blind = False
        return turns

    async def _serve(self, turn: Turn, stop: asyncio.Event) -> None:
        try:
            await self._placing.serve(turn, lambda: not stop.is_set())
        except SaleUnsettled as cause:
            log.warning("offline_sale_put_off", till_id=turn.till_id, reason=str(cause))
        except TurnLost:
            log.warning("offline_turn_lost", till_id=turn.till_id)
        except StoreUnavailable as fault:
            log.warning("offline_turn_left", till_id=turn.till_id, reason=fault.message)
        except Exception:  # one till's sale must not end the process for all
            log.exception("offline_turn_failed", till_id=turn.till_id)
