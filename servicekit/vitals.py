"""Whether the process itself works: its loop answers, and how much memory it takes.

Liveness depends on nothing outside the process. A blocked loop answers no probe at
all; one that was blocked for long says so once it runs again.
"""

from __future__ import annotations

import psutil

from servicekit.checks import Checks
from servicekit.clock import Clock
from servicekit.health import Health
from servicekit.instruments import Instruments

PERIOD_SECONDS = 1.0
MOST_LAG_SECONDS = 5.0
"""A loop that was held up longer than this is not alive (Kubernetes' default would not wait 3 s)."""


async def watch_vitals(checks: Checks, health: Health, instruments: Instruments, clock: Clock) -> None:
    """Measure loop lag and memory each second, and publish health as a metric. Cancel to stop."""
    lag_seconds = instruments.gauge("event_loop_lag_seconds")
    resident_bytes = instruments.gauge("process_resident_bytes")
    status = instruments.gauge("health_status")
    process = psutil.Process()
    while True:
        before = clock.monotonic()
        await clock.sleep(PERIOD_SECONDS)
        lag = max(0.0, clock.monotonic() - before - PERIOD_SECONDS)
        lag_seconds.set(lag)
        resident_bytes.set(process.memory_info().rss)
        checks.live(alive=lag < MOST_LAG_SECONDS, reason=f"the event loop was held up for {lag:.1f} s")
        for name, state in health.snapshot().items():
            status.labels(name=name).set(float(state.serving))
