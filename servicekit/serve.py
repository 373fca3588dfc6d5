"""The life of one process: start, serve, drain, stop. There is no other way to run a service.

Start: parse the settings, compose the service, serve with health NOT_SERVING, and
become SERVING when every own check has passed. Stop (SIGTERM or SIGINT): NOT_SERVING,
wait for watchers and balancers, stop leasing work, let calls end, await our own
handler tasks, release leases, close pools, flush telemetry under its own deadline.
A second signal exits at once.

Exit codes: 0 stopped when asked; 1 could not start; 2 bad settings (every fault is
printed); 70 the process was lost to an error (EX_SOFTWARE in sysexits.h); 128 + n
on a second signal n.
"""

from __future__ import annotations

import asyncio
import os
import signal
import sys
import threading
from collections.abc import Awaitable, Callable, Mapping
from contextlib import AsyncExitStack

import uvloop

from servicekit import crashes, logs
from servicekit.clock import SystemClock, uuid7
from servicekit.health import Health
from servicekit.instruments import Instruments
from servicekit.kit import Kit, S
from servicekit.logs import logger
from servicekit.process import CannotStart, Process
from servicekit.sentry import reporter_for
from servicekit.settings import BadSettings, load
from servicekit.tokens import ServiceTokens
from servicekit.tracing import Tracing

STOPPED = 0
NOT_STARTED = 1
BAD_SETTINGS = 2
LOST = 70

FLUSH_SECONDS = 2.0
"""What is left unsent after this is lost: a dead collector must not hold up an exit."""

CLOSE_SECONDS = 0.5
"""For the loop to end what was left behind."""

log = logger(__name__)


def serve(
    name: str,
    settings: type[S],
    build: Callable[[Kit[S]], Awaitable[None]],
    environ: Mapping[str, str],
) -> int:
    """Run a service until it is told to stop; returns its exit code.

    Args:
        name: The service, as peers and people call it.
        settings: What `environ` must describe.
        build: The composition root.
        environ: The environment, from `__main__`.
    """
    try:
        parsed = load(settings, environ)
    except BadSettings as fault:
        print(f"{name}: bad settings\n{fault}", file=sys.stderr)  # noqa: T201 - for a person, before logs exist
        return BAD_SETTINGS
    logs.configure(name, parsed.log_level)
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        code = runner.run(_live(name, parsed, build))
        by_force = _end_by_force_with(code)
    by_force.cancel()
    return code


async def _live(name: str, settings: S, build: Callable[[Kit[S]], Awaitable[None]]) -> int:
    stop = asyncio.Event()
    lost: list[BaseException | None] = []

    def lose(error: BaseException | None = None) -> None:
        lost.append(error)
        stop.set()

    instruments = Instruments(name)
    reporter = reporter_for(name, settings)
    tracing = Tracing(name, settings)
    _stop_on_signals(stop)
    with crashes.install(reporter, instruments, lose):
        try:
            async with AsyncExitStack() as lifetime:
                kit = Kit(
                    name=name,
                    settings=settings,
                    clock=SystemClock(),
                    make_id=uuid7,
                    instruments=instruments,
                    health=Health(),
                    tracers=tracing.provider,
                    reporter=reporter,
                    service_tokens=ServiceTokens(
                        name, settings.mesh_key.get_secret_value().encode(), SystemClock()
                    ),
                    lifetime=lifetime,
                )
                await build(kit)
                await Process(kit, lose).run(stop)
        except CannotStart as fault:
            log.warning("start_failed", reason=str(fault))
            return NOT_STARTED
        except Exception as error:
            log.exception("process_lost")
            reporter.report(error, tags={"source": "main"})
            lose(error)
        finally:
            await asyncio.gather(
                asyncio.to_thread(tracing.shutdown, FLUSH_SECONDS),
                asyncio.to_thread(reporter.flush, FLUSH_SECONDS),
            )
    log.info("process_stopped", lost=bool(lost))
    return LOST if lost else STOPPED


def _end_by_force_with(code: int) -> threading.Timer:
    """End the process, unless cancelled soon: closing the loop waits for ever for a task that is deaf."""

    def end() -> None:
        log.warning("ended_by_force", code=code)
        os._exit(code)

    timer = threading.Timer(CLOSE_SECONDS, end)
    timer.daemon = True
    timer.start()
    return timer


def _stop_on_signals(stop: asyncio.Event) -> None:
    loop = asyncio.get_running_loop()
    asked: list[signal.Signals] = []

    def on(number: signal.Signals) -> None:
        if asked:
            log.warning("exited_at_once", signal=number.name)
            os._exit(128 + number)
        asked.append(number)
        log.info("stop_asked", signal=number.name)
        stop.set()

    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, on, number)
