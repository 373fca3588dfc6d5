"""Background loops: follow every target, write the history, notice silence."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine, Mapping
from contextlib import aclosing
from typing import Any

from servicekit.clock import Clock
from servicekit.errors import StoreUnavailable
from servicekit.logs import logger
from services.monitoring.ingest import Intake
from services.monitoring.mesh import Health, HealthSource, History, MeshView
from services.monitoring.windows import (
    KEPT_SECONDS,
    Keeper,
    Recorded,
    RecordedStore,
    Signals,
    Windows,
)

FIRST_PAUSE_SECONDS = 0.25
LONGEST_PAUSE_SECONDS = 2.0
"""Between tries to hear a service: doubled each time, and this at most."""

STORE_PAUSE_SECONDS = 1.0
SILENCE_PERIOD_SECONDS = 1.0
FORGET_PERIOD_SECONDS = 3600.0
_DAY_MS = 24 * 3600 * 1000
KEEP_PERIOD_SECONDS = 1.0
"""A process that is killed loses what came since the last round."""

log = logger(__name__)


class MeshWatch:
    """Follows the health of every target until told to stop."""

    def __init__(self, sources: Mapping[str, HealthSource], view: MeshView, clock: Clock) -> None:
        self._sources = sources
        self._view = view
        self._clock = clock

    async def run(self, stop: asyncio.Event) -> None:
        """Follow all of them, each in a task of its own."""
        await _until(stop, *(self._follow(name, source) for name, source in self._sources.items()))

    async def _follow(self, name: str, source: HealthSource) -> None:
        pause = FIRST_PAUSE_SECONDS

        def hear(health: Health) -> None:
            nonlocal pause
            pause = FIRST_PAUSE_SECONDS
            self._view.hear(name, health)

        async with aclosing(source):
            while True:
                self._view.lose(name, await source.listen(hear))
                await self._clock.sleep(pause)
                pause = min(2 * pause, LONGEST_PAUSE_SECONDS)


class HistoryWriter:
    """Writes transitions as they come, and what is left at the end; waits for a store that is away."""

    def __init__(self, history: History, clock: Clock) -> None:
        self._history = history
        self._clock = clock

    async def run(self, stop: asyncio.Event) -> None:
        """Write until told to stop, then once more."""
        await _until(stop, self._write())
        try:
            await self._history.write()
        except StoreUnavailable as refusal:
            log.warning("mesh_history_left_unwritten", reason=refusal.message)

    async def _write(self) -> None:
        while True:
            await self._history.arrival()
            try:
                await self._history.write()
            except StoreUnavailable:  # the pool counts it, and health says it
                await self._clock.sleep(STORE_PAUSE_SECONDS)


class SilenceWatch:
    """Marks the series that ended without saying so."""

    def __init__(self, intake: Intake, clock: Clock) -> None:
        self._intake = intake
        self._clock = clock

    async def run(self, stop: asyncio.Event) -> None:
        """Look each second until told to stop."""
        await _until(stop, self._look())

    async def _look(self) -> None:
        while True:
            await self._clock.sleep(SILENCE_PERIOD_SECONDS)
            self._intake.look()


class WindowsKeeper:
    """Keeps the windows within their bounds, and on the disk where there is one."""

    def __init__(self, windows: Windows, keeper: Keeper, signals: Signals, clock: Clock) -> None:
        self._windows = windows
        self._keeper = keeper
        self._signals = signals
        self._clock = clock

    async def run(self, stop: asyncio.Event) -> None:
        """Do a round each second until told to stop, then a last one."""
        await _until(stop, self._keep())
        try:
            await asyncio.to_thread(self._keeper.close)
        except OSError as error:
            self._signals.round_failed(error)

    async def _keep(self) -> None:
        while True:
            await self._clock.sleep(KEEP_PERIOD_SECONDS)
            try:
                await asyncio.to_thread(self._keeper.keep)
            except OSError as error:
                self._signals.round_failed(error)
            else:
                self._signals.round_ended(self._windows.occupancy())


class RecordedKeeper:
    """Brings back what rules recorded, then writes what they record, minute by minute."""

    def __init__(self, recorded: Recorded, store: RecordedStore, clock: Clock) -> None:
        self._recorded = recorded
        self._store = store
        self._clock = clock

    async def run(self, stop: asyncio.Event) -> None:
        """Load, then write and forget until told to stop, then write once more."""
        await _until(stop, self._keep())
        try:
            await self._write()
        except StoreUnavailable as refusal:
            log.warning("recorded_samples_left_unwritten", reason=refusal.message)

    async def _keep(self) -> None:
        await self._load()
        due = self._clock.monotonic()
        while True:
            await self._recorded.arrival()
            try:
                await self._write()
                if self._clock.monotonic() >= due:
                    await self._store.forget(self._now_ms() - KEPT_SECONDS * 1000)
                    await asyncio.to_thread(self._recorded.keep)
                    due = self._clock.monotonic() + FORGET_PERIOD_SECONDS
            except StoreUnavailable:  # the pool counts it, and health says it
                await self._clock.sleep(STORE_PAUSE_SECONDS)

    async def _load(self) -> None:
        """Day by day, the oldest first: no statement is long."""
        end_ms = self._now_ms()
        at_ms = end_ms - KEPT_SECONDS * 1000
        while at_ms < end_ms:
            try:
                found = await self._store.load(at_ms, min(at_ms + _DAY_MS, end_ms))
            except StoreUnavailable:
                await self._clock.sleep(STORE_PAUSE_SECONDS)
            else:
                await asyncio.to_thread(self._recorded.remember, found)
                await asyncio.to_thread(self._recorded.keep)
                at_ms += _DAY_MS

    async def _write(self) -> None:
        samples = self._recorded.waiting()
        if samples:
            await self._store.add(samples)
            self._recorded.written(samples)

    def _now_ms(self) -> int:
        return int(self._clock.now().timestamp() * 1000)


async def _until(stop: asyncio.Event, *loops: Coroutine[Any, Any, None]) -> None:
    """Run the loops until `stop`, then cancel them. One that fails ends them all."""
    async with asyncio.TaskGroup() as running:
        tasks = [running.create_task(loop) for loop in loops]
        await stop.wait()
        for task in tasks:
            task.cancel()
