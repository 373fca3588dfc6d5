"""Where a process can be made to die, and that nothing else changes."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import Protocol

import pytest
from pydantic import ValidationError
from typing_extensions import override

from servicekit.crash_points import EXIT_CODE, CrashPoints, CrashPointSettings, points_of


class Shelf(Protocol):
    async def put(self, thing: str) -> int: ...


class Inside(Protocol):
    shelf: Shelf


class Room(Protocol):
    shelf: Shelf

    def transaction(self) -> AbstractAsyncContextManager[Inside]: ...

    def size(self) -> int: ...


class KeptShelf(Shelf):
    def __init__(self, things: list[str]) -> None:
        self.things = things

    @override
    async def put(self, thing: str) -> int:
        self.things.append(thing)
        return len(self.things)


class KeptInside(Inside):
    def __init__(self, things: list[str]) -> None:
        self.shelf = KeptShelf(things)


class KeptRoom(Room):
    def __init__(self) -> None:
        self.things: list[str] = []
        self.shelf = KeptShelf(self.things)

    @override
    @asynccontextmanager
    async def transaction(self) -> AsyncIterator[Inside]:
        things: list[str] = []
        yield KeptInside(things)
        self.things.extend(things)

    @override
    def size(self) -> int:
        return len(self.things)


class Died(BaseException):
    """The process is gone."""


def end() -> None:
    raise Died


ALL = [
    "room.shelf.put:after",
    "room.shelf.put:before",
    "room.transaction.begin:after",
    "room.transaction.begin:before",
    "room.transaction.commit:after",
    "room.transaction.commit:before",
    "room.transaction.shelf.put:after",
    "room.transaction.shelf.put:before",
]


async def use(room: Room) -> None:
    await room.shelf.put("one")
    async with room.transaction() as tx:
        await tx.shelf.put("two")


def test_every_await_on_a_port_has_its_two_points() -> None:
    assert points_of("room", Room) == ALL


@pytest.mark.parametrize(
    ("point", "kept"),
    [
        ("room.shelf.put:before", []),
        ("room.shelf.put:after", ["one"]),
        ("room.transaction.begin:before", ["one"]),
        ("room.transaction.begin:after", ["one"]),
        ("room.transaction.shelf.put:before", ["one"]),
        ("room.transaction.shelf.put:after", ["one"]),
        ("room.transaction.commit:before", ["one"]),
        ("room.transaction.commit:after", ["one", "two"]),
    ],
)
async def test_dying_at_a_point_keeps_what_was_kept_before_it(point: str, kept: list[str]) -> None:
    room = KeptRoom()

    with pytest.raises(Died):
        await use(CrashPoints(point, end).around("room", room, Room))

    assert room.things == kept


async def test_a_later_passing_can_be_named() -> None:
    room = KeptRoom()
    shelf = CrashPoints("room.shelf.put:after#3", end).around("room", room, Room).shelf

    assert [await shelf.put("one"), await shelf.put("two")] == [1, 2]
    with pytest.raises(Died):
        await shelf.put("three")


async def test_where_no_point_is_wanted_the_port_is_its_own() -> None:
    room = KeptRoom()

    assert CrashPoints("").around("room", room, Room) is room


def test_what_is_not_awaited_passes_through() -> None:
    assert CrashPoints("room.shelf.put:after", end).around("room", KeptRoom(), Room).size() == 0


def test_dying_is_at_once() -> None:
    program = """
from servicekit.crash_points import CrashPoints
try:
    CrashPoints("a.b:before").passing("a.b:before")
finally:
    print("unwound")
"""

    done = subprocess.run([sys.executable, "-c", program], check=False, capture_output=True, text=True)

    assert (done.returncode, done.stdout) == (EXIT_CODE, "")


@pytest.mark.parametrize("point", ["", "a.b:before", "store.transaction.orders.add:after#12"])
def test_a_point_is_a_setting(point: str) -> None:
    assert CrashPointSettings(crash_point=point).crash_point == point


@pytest.mark.parametrize("point", ["a.b", "a.b:during", "a.b:after#0", "a:before", "a.b:after#"])
def test_a_point_that_cannot_be_is_refused(point: str) -> None:
    with pytest.raises(ValidationError):
        CrashPointSettings(crash_point=point)
