"""Errors that nothing caught: one log line, one report, and an end where there must be one.

| where it surfaced | the process |
|---|---|
| main thread (`sys.excepthook`) | is lost: the interpreter ends |
| another thread (`threading.excepthook`) | is lost: the work of that thread has silently stopped |
| event loop (a callback, a task nobody awaited) | goes on |
| `__del__` and the like (`sys.unraisablehook`) | goes on |

Wherever it surfaces, `MemoryError` and `SystemError` mean that the process is lost:
nothing that runs after them can be trusted. A lost process drains and exits with 70.
"""

import asyncio
import contextlib
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import TracebackType
from typing import Any, Literal, TypeAlias

from servicekit.instruments import Instruments
from servicekit.logs import logger
from servicekit.sentry import ErrorReporter

Source: TypeAlias = Literal["main", "thread", "loop", "unraisable"]
Lose: TypeAlias = Callable[[BaseException], None]

_LOST_WHEREVER = (MemoryError, SystemError)
_LOSES_THE_PROCESS = frozenset({"main", "thread"})

log = logger(__name__)


@contextmanager
def install(reporter: ErrorReporter, instruments: Instruments, lose: Lose) -> Iterator[None]:
    """Catch, in the running loop and in the whole process, what nothing else does.

    Args:
        reporter: Who is told.
        instruments: Where crashes are counted.
        lose: Asks for the end of the process; always called in the loop, from whatever thread.
    """
    loop = asyncio.get_running_loop()
    crashes = _Crashes(reporter, instruments, lose, loop)
    before = sys.excepthook, threading.excepthook, sys.unraisablehook, loop.get_exception_handler()
    sys.excepthook = crashes.in_main
    threading.excepthook = crashes.in_thread
    sys.unraisablehook = crashes.unraisable
    loop.set_exception_handler(crashes.in_loop)
    try:
        yield
    finally:
        sys.excepthook, threading.excepthook, sys.unraisablehook, handler = before
        loop.set_exception_handler(handler)


class _Crashes:
    """The four handlers."""

    def __init__(
        self,
        reporter: ErrorReporter,
        instruments: Instruments,
        lose: Lose,
        loop: asyncio.AbstractEventLoop,
    ) -> None:
        self._reporter = reporter
        self._count = instruments.counter("crashes_total")
        self._lose = lose
        self._loop = loop

    def in_main(self, kind: type[BaseException], error: BaseException, stack: TracebackType | None) -> None:
        if issubclass(kind, KeyboardInterrupt):
            sys.__excepthook__(kind, error, stack)
            return
        self._record("main", error)

    def in_thread(self, args: threading.ExceptHookArgs) -> None:
        if args.exc_value is None or issubclass(args.exc_type, SystemExit):
            return
        self._record("thread", args.exc_value, thread=args.thread.name if args.thread else "")

    def in_loop(self, loop: asyncio.AbstractEventLoop, happened: dict[str, Any]) -> None:  # noqa: ARG002 - asyncio's
        error = happened.get("exception")
        message = str(happened.get("message", ""))
        if error is None:
            log.warning("loop_complained", message=message)
            return
        task = happened.get("task") or happened.get("future")
        name = task.get_name() if isinstance(task, asyncio.Task) else ""
        self._record("loop", error, message=message, task=name)

    def unraisable(self, args: "sys.UnraisableHookArgs") -> None:
        if args.exc_value is not None:
            self._record("unraisable", args.exc_value, message=args.err_msg or "")

    def _record(self, source: Source, error: BaseException, **facts: str) -> None:
        """One line, one count, one report; then the end, if it must be."""
        log.error("crashed", exc_info=error, source=source, **facts)
        self._count.labels(source=source).inc()
        self._reporter.report(error, tags={"source": source})
        if source in _LOSES_THE_PROCESS or isinstance(error, _LOST_WHEREVER):
            with contextlib.suppress(RuntimeError):  # The loop is closed: the end has come already.
                self._loop.call_soon_threadsafe(self._lose, error)
