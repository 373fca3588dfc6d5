"""Shows what processes wrote: their JSON lines as lines for people, oldest first.

What is no JSON (a database's own log, a stack from before logging began) is shown
as it stands: at the time it says in front, else at that of the line before it.
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any, BinaryIO, Self

_BLOCK_BYTES = 64 * 1024
_TIMESTAMP = re.compile(r"(\d{4}-\d\d-\d\d) (\d\d:\d\d:\d\d(\.\d+)?) ")
"""As our PostgreSQL begins its lines, in UTC."""
_HEAD = frozenset({"ts", "level", "service", "event"})
_NOT_SHOWN = frozenset({"logger", "trace_id", "span_id"})
_LAST = frozenset({"request_id", "error_stack"})
_APART = _HEAD | _NOT_SHOWN | _LAST


@dataclass(frozen=True)
class Line:
    """One line of one log, as written. `time` orders the lines of several logs."""

    name: str
    raw: str
    time: str = ""
    fields: Mapping[str, Any] | None = field(default=None, compare=False)

    def as_text(self) -> str:
        """The line for people: when, how bad, who, what, the facts, and for which request."""
        if self.fields is None:
            return f"{self.name}: {self.raw}"
        said = self.fields
        head = f"{_time_of_day(self.time)} {said.get('level', ''):<7} {said.get('service', self.name):<10}"
        shown = {name: value for name, value in said.items() if name not in _APART and value != ""}
        facts = [f"{name}={_value(value)}" for name, value in shown.items()]
        request = [f"request_id={said['request_id']}"] if said.get("request_id") else []
        line = " ".join([head, str(said.get("event", "")), *facts, *request])
        return f"{line}\n{said['error_stack'].rstrip()}" if said.get("error_stack") else line


class LogFile:
    """One log, read from near its end and then as it grows; a new file in its place is noticed."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._file: BinaryIO | None = None
        self._unfinished = b""
        self._time = ""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._close()

    def tail(self, count: int) -> list[Line]:
        """The last lines there are; `added` goes on from there."""
        file = self._opened()
        if file is None:
            return []
        size = self._path.stat().st_size
        span = _BLOCK_BYTES
        while True:
            start = max(0, size - span)
            file.seek(start)
            # All but the first, unless that is whole.
            lines = self._split(file.read())[start > 0 :]
            if len(lines) >= count or start == 0:
                return [self._line(raw) for raw in lines[len(lines) - min(count, len(lines)) :]]
            span *= 4
            self._unfinished = b""

    def added(self) -> Iterator[Line]:
        """What was written since the last call."""
        if self._file is not None and self._was_replaced(self._file):
            yield from map(self._line, self._split(self._file.read()))
            self._close()
        file = self._opened()
        if file is not None:
            yield from map(self._line, self._split(file.read()))

    def _close(self) -> None:
        if self._file is not None:
            self._file.close()
        self._file, self._unfinished = None, b""

    def _opened(self) -> BinaryIO | None:
        if self._file is None and self._path.exists():
            self._file = self._path.open("rb")
        return self._file

    def _was_replaced(self, file: BinaryIO) -> bool:
        return self._path.exists() and not os.path.samestat(self._path.stat(), os.fstat(file.fileno()))

    def _split(self, content: bytes) -> list[bytes]:
        """The whole lines of what was read; a beginning of one is kept for the next time."""
        *lines, self._unfinished = (self._unfinished + content).split(b"\n")
        return lines

    def _line(self, raw: bytes) -> Line:
        text = raw.decode("utf-8", errors="replace")
        fields = _parsed(text)
        if fields is not None:
            self._time = str(fields.get("ts", self._time))
        elif stamped := _TIMESTAMP.match(text):
            self._time = f"{stamped[1]}T{stamped[2]}"
        return Line(self._path.stem, text, self._time, fields)


def merged(lines: Iterable[Line], count: int) -> list[Line]:
    """The newest `count` lines of several logs, oldest first; each log keeps its own order."""
    ordered = sorted(lines, key=lambda line: line.time)
    return ordered[len(ordered) - min(count, len(ordered)) :]


def _parsed(text: str) -> dict[str, Any] | None:
    if not text.startswith("{"):
        return None
    try:
        document = json.loads(text)
    except ValueError:
        return None
    return document if isinstance(document, dict) else None


def _time_of_day(timestamp: str) -> str:
    """In local time, for whoever reads it now."""
    try:
        return datetime.fromisoformat(timestamp).astimezone().strftime("%H:%M:%S.%f")[:-3]
    except ValueError:
        return timestamp


def _value(value: object) -> str:
    return value if isinstance(value, str) and " " not in value else json.dumps(value, ensure_ascii=False)
