"""Named points at which a process can be made to die, so that its recovery can be proven.

A point stands before and after every await on a port: `payments.authorize:before`,
`store.orders.get:after`; a transaction has `store.transaction.begin`, `.commit` and a
pair for each call inside it. The points are read off the port itself, so a new method
has its points at once and `points_of` lists them all.

`CRASH_POINT=payments.capture:after#2` ends the process at the second passing, as
SIGKILL would: no `finally` runs, nothing is flushed. Without it no port is touched.

    points = CrashPoints(kit.settings.crash_point)
    store = points.around("store", PostgresStore(database), Store)
"""

from __future__ import annotations

import inspect
import os
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass
from typing import Annotated, Any, Final, TypeAlias, TypeVar, cast, get_args, get_origin, get_type_hints

from pydantic import BaseModel, Field

EXIT_CODE: Final = 137
"""What a shell reports of a process that SIGKILL ended: 128 + 9."""

PointName: TypeAlias = Annotated[
    str, Field(pattern=r"^$|^[a-z_]+(\.[a-z_]+)+:(before|after)(#[1-9][0-9]*)?$")
]

T = TypeVar("T")


class CrashPointSettings(BaseModel):
    """Mixed into the settings of a service whose recovery is proven point by point."""

    crash_point: PointName = ""
    """Where this process dies, such as `payments.capture:after#2`; for proofs only. Empty: nowhere."""


def die() -> None:
    """End this process at once."""
    os._exit(EXIT_CODE)


class CrashPoints:
    """The one point, if any, at which this process dies."""

    def __init__(self, wanted: str, end: Callable[[], None] = die) -> None:
        """Die at a point.

        Args:
            wanted: `<point>` or `<point>#<passing>`, the first passing unless it is said; empty for none.
            end: What dying is.
        """
        self._point, _, passing = wanted.partition("#")
        self._left = int(passing or 1)
        self._end = end

    def around(self, name: str, port: T, kind: type) -> T:
        """The port, passing the points of each call; the port itself where no point is wanted.

        Args:
            name: What the names of its points begin with.
            port: What does the work.
            kind: The Protocol or class whose methods are awaited on.
        """
        if not self._point:
            return port
        return cast("T", _Mortal(port, name, _parts_of(kind), self))

    def passing(self, point: str) -> None:
        """Die if this is the one."""
        if point == self._point:
            self._left -= 1
            if self._left == 0:
                self._end()


def points_of(name: str, kind: type) -> list[str]:
    """Every point of a port that is wrapped under this name, sorted."""
    return sorted(f"{call}:{side}" for call in _calls_of(name, kind) for side in ("before", "after"))


@dataclass(frozen=True)
class _Call:
    """A method that is awaited."""


@dataclass(frozen=True)
class _Port:
    """A port that is part of another."""

    kind: type


@dataclass(frozen=True)
class _Block:
    """A method that answers an asynchronous context manager, and what that yields."""

    kind: type


_Part: TypeAlias = _Call | _Port | _Block


def _parts_of(kind: type) -> dict[str, _Part]:
    parts: dict[str, _Part] = {}
    for name, hint in get_type_hints(kind).items():
        if inspect.isclass(hint) and getattr(hint, "_is_protocol", False):
            parts[name] = _Port(hint)
    for name, method in inspect.getmembers(kind, inspect.isfunction):
        part = _part_of(method)
        if part and not name.startswith("_"):
            parts[name] = part
    return parts


def _part_of(method: Callable[..., Any]) -> _Part | None:
    if inspect.iscoroutinefunction(method):
        return _Call()
    answer = get_type_hints(method).get("return")
    if get_origin(answer) is AbstractAsyncContextManager:
        return _Block(get_args(answer)[0])
    return None


def _calls_of(name: str, kind: type) -> Iterator[str]:
    for member, part in _parts_of(kind).items():
        called = f"{name}.{member}"
        match part:
            case _Call():
                yield called
            case _Port(inner):
                yield from _calls_of(called, inner)
            case _Block(inner):
                yield from (f"{called}.begin", f"{called}.commit")
                yield from _calls_of(called, inner)


class _Mortal:
    """A port that passes a point before and after each await; everything else is the port's own."""

    def __init__(self, port: object, name: str, parts: dict[str, _Part], points: CrashPoints) -> None:
        self._port = port
        self._name = name
        self._parts = parts
        self._points = points

    def __getattr__(self, member: str) -> Any:  # noqa: ANN401 - whatever the port has
        value = getattr(self._port, member)
        name = f"{self._name}.{member}"
        match self._parts.get(member):
            case None:
                return value
            case _Call():
                return self._call(name, value)
            case _Port(kind):
                return _Mortal(value, name, _parts_of(kind), self._points)
            case _Block(kind):
                return self._block(name, value, kind)

    def _call(self, name: str, method: Callable[..., Any]) -> Callable[..., Any]:
        async def call(*args: object, **options: object) -> object:
            self._points.passing(f"{name}:before")
            answer = await method(*args, **options)
            self._points.passing(f"{name}:after")
            return answer

        return call

    def _block(self, name: str, method: Callable[..., Any], kind: type) -> Callable[..., Any]:
        @asynccontextmanager
        async def block(*args: object) -> AsyncIterator[object]:
            self._points.passing(f"{name}.begin:before")
            async with method(*args) as inner:
                self._points.passing(f"{name}.begin:after")
                yield _Mortal(inner, name, _parts_of(kind), self._points)
                self._points.passing(f"{name}.commit:before")
            self._points.passing(f"{name}.commit:after")

        return block
