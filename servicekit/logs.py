"""Events as JSON lines on stderr, one line each.

    log = logger(__name__)
    log.info("order_completed", order_id=order.id)

The standard library's logging lies underneath, so what libraries log comes out the
same way, as event `library_logged`. Every line names the request and the trace it
belongs to. Values of sensitive names, bodies and objects are not written; a field
that cannot be written never costs the caller an exception.
"""

import json
import logging
import math
import sys
import traceback
from collections.abc import Mapping
from datetime import UTC, date, datetime
from decimal import Decimal
from enum import Enum
from pathlib import PurePath
from typing import Any, Final
from uuid import UUID

from typing_extensions import override

from servicekit import context
from servicekit.correlation import trace_place
from servicekit.redaction import REDACTED, is_sensitive, redacted, scrubbed

LONGEST_TEXT: Final = 2_000
"""Characters of one field: an event states facts, it carries no bodies."""

LONGEST_STACK: Final = 20_000
"""Characters of one stack; its end, the innermost frames, is kept."""

_OWN_FIELDS = frozenset({"ts", "level", "logger", "event", "service"})
_WRITTEN_AS_TEXT = (UUID, date, Decimal, PurePath)
_TALKATIVE = ("httpx", "httpcore", "stripe", "asyncio", "alembic.runtime.plugins")
"""Libraries that log every call they make; the chain's access log has said it."""


class EventLogger:
    """Writes events: a snake_case name in the past tense, with the facts as fields.

    `exc_info` is an exception to describe with its stack.
    """

    __slots__ = ("_logger",)

    def __init__(self, name: str) -> None:
        self._logger = logging.getLogger(name)

    def debug(self, event: str, /, *, exc_info: BaseException | None = None, **fields: object) -> None:
        """Record what only someone who debugs this module wants to know."""
        self._write(logging.DEBUG, event, exc_info, fields)

    def info(self, event: str, /, *, exc_info: BaseException | None = None, **fields: object) -> None:
        """Record a change that is as it should be."""
        self._write(logging.INFO, event, exc_info, fields)

    def warning(self, event: str, /, *, exc_info: BaseException | None = None, **fields: object) -> None:
        """Record a fault that was dealt with."""
        self._write(logging.WARNING, event, exc_info, fields)

    def error(self, event: str, /, *, exc_info: BaseException | None = None, **fields: object) -> None:
        """Record a fault that cost somebody an answer."""
        self._write(logging.ERROR, event, exc_info, fields)

    def exception(self, event: str, /, *, exc_info: BaseException | None = None, **fields: object) -> None:
        """Record an error with its stack: that of the exception being handled, unless another is given."""
        self._write(logging.ERROR, event, exc_info or sys.exc_info()[1], fields)

    def _write(self, level: int, event: str, error: BaseException | None, fields: dict[str, object]) -> None:
        target = self._logger
        if not target.isEnabledFor(level):
            return
        exc_info = None if error is None else (type(error), error, error.__traceback__)
        # Made by hand: logging's own methods search the stack for a caller that no line shows.
        record = target.makeRecord(
            target.name, level, "", 0, event, (), exc_info, extra={"event_fields": fields}
        )
        target.handle(record)


def logger(name: str) -> EventLogger:
    """The logger of a module; ask once, as a module constant."""
    return EventLogger(name)


def configure(service: str, level: str) -> None:
    """Send everything that is logged in this process to stderr as JSON lines, from `level` up.

    Called again it replaces what it set up before, and whatever else was there.
    """
    handler = Stderr()
    handler.setFormatter(JsonLines(service))
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(level)
    for name in _TALKATIVE:
        logging.getLogger(name).setLevel(logging.WARNING)
    logging.captureWarnings(capture=True)


class Stderr(logging.Handler):
    """Writes each line in one piece to whatever stderr is at that moment."""

    @override
    def emit(self, record: logging.LogRecord) -> None:
        try:
            sys.stderr.write(f"{self.format(record)}\n")
        except Exception:  # noqa: BLE001 - a reader that went away must not fail the request that logs
            self.handleError(record)


class JsonLines(logging.Formatter):
    """Makes one JSON object of one record; never raises, never holds a newline."""

    def __init__(self, service: str) -> None:
        super().__init__()
        self._service = service

    @override
    def format(self, record: logging.LogRecord) -> str:
        fields = getattr(record, "event_fields", None)
        line: dict[str, Any] = {
            "ts": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="microseconds"),
            "level": record.levelname.lower(),
            "logger": record.name,
            "event": "library_logged" if fields is None else record.msg,
            "service": self._service,
            "request_id": context.current().request_id,
        }
        place = trace_place()
        if place.trace_id:
            line["trace_id"] = place.trace_id
            line["span_id"] = place.span_id
        line.update(_library_fields(record) if fields is None else _event_fields(fields))
        if record.exc_info and record.exc_info[1]:
            line.update(described(record.exc_info[1]))
        return _encoded(line)


def described(error: BaseException) -> dict[str, str]:
    """What a log line says of an exception: `error_type`, `error_message`, `error_stack`, scrubbed."""
    kind = type(error)
    stack = "".join(traceback.format_exception(error))[-LONGEST_STACK:]
    return {
        "error_type": kind.__qualname__
        if kind.__module__ == "builtins"
        else f"{kind.__module__}.{kind.__qualname__}",
        "error_message": scrubbed(_shortened(str(error))),
        "error_stack": scrubbed(stack),
    }


def _library_fields(record: logging.LogRecord) -> dict[str, Any]:
    try:
        message = record.getMessage()
    except Exception:  # noqa: BLE001 - a library's faulty format string must not cost the line
        message = str(record.msg)
    return {"message": scrubbed(_shortened(message))}


def _event_fields(fields: Mapping[str, object]) -> dict[str, Any]:
    return {
        f"field_{name}" if name in _OWN_FIELDS else name: REDACTED if is_sensitive(name) else _plain(value)
        for name, value in fields.items()
    }


def _plain(value: object) -> object:
    """`value` as JSON can say it; of an object only the type, for its text may be a whole body."""
    if isinstance(value, str):
        return _shortened(value)
    if value is None or isinstance(value, int):
        return value
    if isinstance(value, float):
        return value if math.isfinite(value) else str(value)
    if isinstance(value, Mapping | list | tuple | set | frozenset):
        return redacted(value)
    return _named(value)


def _named(value: object) -> object:
    """What stands for an object."""
    if isinstance(value, Enum):
        return _plain(value.value)
    return str(value) if isinstance(value, _WRITTEN_AS_TEXT) else f"<{type(value).__qualname__}>"


def _shortened(text: str) -> str:
    return text if len(text) <= LONGEST_TEXT else f"{text[:LONGEST_TEXT]}… ({len(text)} characters)"


def _encoded(line: dict[str, Any]) -> str:
    try:
        return _ENCODER.encode(line)
    except (TypeError, ValueError, RecursionError):
        return _ENCODER.encode({name: _skeleton(value) for name, value in line.items()})


def _skeleton(value: object) -> object:
    """`value` without its members: for nesting that JSON cannot say."""
    return f"<{type(value).__qualname__}>" if isinstance(value, dict | list) else value


_ENCODER = json.JSONEncoder(default=_named, allow_nan=False, separators=(",", ":"))
