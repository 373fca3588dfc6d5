"""Named checks, and the one verdict that follows from them.

A failing check can never be masked by a passing one: the verdict is computed from
all checks each time, never remembered. Checks start failed: a process earns
SERVING. `startup` latches. Own stores decide readiness; a peer never does, it
shows as `dependency/<peer>`.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass

from servicekit import health
from servicekit.clock import Clock
from servicekit.errors import Refusal
from servicekit.health import Health
from servicekit.logs import logger

log = logger(__name__)

_TIMEOUT_SHARE = 0.9
"""Of the period: a check that takes longer counts as failed before the next begins."""


Probe = Callable[[], Awaitable[None]]
"""Returns when all is well, raises when it is not; cancelled at its timeout."""


@dataclass(frozen=True)
class Check:
    """One thing that must work.

    Attributes:
        name: Published as `dependency/<name>`.
        probe: Asked once a period.
        own: True for our own stores, without which we are not ready; False for peers.
        period_seconds: From the start of one probe to the start of the next.
        failures_to_go_down: Failures in a row until the check fails; one success brings it back.
    """

    name: str
    probe: Probe
    own: bool = True
    period_seconds: float = 1.0
    failures_to_go_down: int = 1

    @property
    def timeout_seconds(self) -> float:
        """How long one probe may take."""
        return self.period_seconds * _TIMEOUT_SHARE


class Checks:
    """Runs the checks of a process and keeps its health names true."""

    def __init__(self, names: Health, clock: Clock) -> None:
        self._health = names
        self._clock = clock
        self._checks: list[Check] = []
        self._services: list[str] = []
        self._failing: dict[str, str] = {}
        self._draining = False
        self._live_reason = ""

    def add(self, check: Check) -> None:
        """Add a check, failed until its first probe has passed."""
        self._checks.append(check)
        self._health.set(health.dependency(check.name), serving=False, reason="not checked yet")
        if check.own:
            self._failing[check.name] = f"{check.name}: not checked yet"

    def publish(self, services: Iterable[str]) -> None:
        """Publish these RPC services, and the process's own names."""
        self._services = list(services)
        self._health.set(health.STARTUP, serving=False, reason="starting")
        self._judge()

    def live(self, *, alive: bool, reason: str = "") -> None:
        """Say whether the process itself works: its loop answers, its memory suffices."""
        self._live_reason = "" if alive else reason
        self._judge()

    def drain(self) -> None:
        """Stop being ready, for good. Liveness stays as it is: a draining process is alive."""
        self._draining = True
        self._judge()

    async def run(self) -> None:
        """Probe for ever. Cancel to stop."""
        async with asyncio.TaskGroup() as probing:
            for check in self._checks:
                probing.create_task(self._repeat(check), name=f"check {check.name}")

    async def _repeat(self, check: Check) -> None:
        failures = 0
        task = asyncio.current_task()
        while True:
            started = self._clock.monotonic()
            reason = await self._probe(check)
            if task is not None and task.cancelling():
                return  # the probe swallowed it, as libraries do by way of `asyncio.wait_for`
            failures = failures + 1 if reason else 0
            if not reason or failures >= check.failures_to_go_down:
                self._settle(check, reason)
            await self._clock.sleep(max(0.0, started + check.period_seconds - self._clock.monotonic()))

    async def _probe(self, check: Check) -> str:
        try:
            async with asyncio.timeout(check.timeout_seconds):
                await check.probe()
        except Refusal as refusal:
            return refusal.message
        except TimeoutError:
            return f"no answer within {check.timeout_seconds:g} s"
        except Exception as error:  # noqa: BLE001 - whatever a probe raises is a failed check, and is logged as one
            return f"{type(error).__name__}"
        return ""

    def _settle(self, check: Check, reason: str) -> None:
        changed = self._health.set(health.dependency(check.name), serving=not reason, reason=reason)
        if changed:
            level = log.warning if reason else log.info
            level("check_failed" if reason else "check_passed", check=check.name, reason=reason)
        if not check.own:
            return
        if reason:
            self._failing[check.name] = f"{check.name}: {reason}"
        else:
            self._failing.pop(check.name, None)
        self._judge()

    def _judge(self) -> None:
        """Derive every name from what is known now."""
        unready = "draining" if self._draining else "; ".join(self._failing.values())
        if not unready:
            self._health.set(health.STARTUP, serving=True)
        self._health.set(health.LIVENESS, serving=not self._live_reason, reason=self._live_reason)
        self._health.set(health.READINESS, serving=not unready, reason=unready)
        whole = self._live_reason or unready
        for name in (health.SERVER, *self._services):
            self._health.set(name, serving=not whole, reason=whole)
