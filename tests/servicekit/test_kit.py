"""What a composition root is handed, and what becomes of it at the end."""

from __future__ import annotations

import asyncio
import contextlib

from servicekit.checks import Check, Checks
from servicekit.clock import SystemClock
from servicekit.health import Health


async def test_a_probe_that_swallows_its_cancellation_does_not_hold_up_the_end() -> None:
    probing = asyncio.Event()

    async def swallow() -> None:
        probing.set()
        with contextlib.suppress(asyncio.CancelledError):
            await asyncio.sleep(30)

    checks = Checks(Health(), SystemClock())
    checks.add(Check("redis", swallow, period_seconds=60))
    running = asyncio.create_task(checks.run())
    await probing.wait()

    running.cancel()
    done, _ = await asyncio.wait([running], timeout=2)

    assert done == {running}
