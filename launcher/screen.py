"""What `tillmesh up` shows while it runs: a live table on a terminal, plain lines elsewhere.

A supervisor in the background has no screen and does not load this module, nor what
it needs: rich, and the gRPC library that health is read with.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from rich.console import Console
from rich.live import Live
from typing_extensions import override

from launcher.mesh import Screen
from launcher.observation import Observer
from launcher.records import ProcessRecord, Roster
from launcher.table import table
from servicekit.clock import Clock

_IMPATIENT_SECONDS = 0.1
_CALM_SECONDS = 2.0


class LineScreen(Screen):
    """One line for each change, then the announcement: for pipes and files."""

    def __init__(self, announcement: Callable[[], str], clock: Clock) -> None:
        self._announcement = announcement
        self._clock = clock
        self._started = clock.monotonic()

    @override
    def changed(self, record: ProcessRecord) -> None:
        pid = "" if record.identity is None else f" (pid {record.identity.pid})"
        print(f"{record.name}: {record.state}{pid}", flush=True)

    @override
    async def run(self, roster: Roster) -> None:
        observer = Observer()
        try:
            while not (await asyncio.to_thread(observer.observe, roster.records())).is_ready:
                await self._clock.sleep(_IMPATIENT_SECONDS)
        finally:
            observer.close()
        print(f"ready after {self._clock.monotonic() - self._started:.1f} s\n", flush=True)
        print(self._announcement(), flush=True)


class TableScreen(Screen):
    """A table that is kept current, below the announcement: for terminals."""

    def __init__(self, announcement: Callable[[], str], clock: Clock, console: Console | None = None) -> None:
        self._announcement = announcement
        self._clock = clock
        self._console = console or Console()
        self._is_announced = False

    @override
    def changed(self, record: ProcessRecord) -> None:
        """Nothing: the table shows it within a moment."""

    @override
    async def run(self, roster: Roster) -> None:
        observer = Observer()
        # Refreshed by hand, for rich would keep a thread awake; and gone in the end, for it is true no more.
        with Live(console=self._console, auto_refresh=False, transient=True) as live:
            try:
                while True:
                    status = await asyncio.to_thread(
                        observer.observe, roster.records(), with_memory=self._is_announced
                    )
                    live.update(table(status), refresh=True)
                    if status.is_ready and not self._is_announced:
                        self._is_announced = True
                        live.console.print(
                            self._announcement(), markup=False, highlight=False, soft_wrap=True
                        )
                    await self._clock.sleep(_CALM_SECONDS if self._is_announced else _IMPATIENT_SECONDS)
            finally:
                observer.close()
