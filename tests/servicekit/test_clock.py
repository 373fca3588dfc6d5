"""Time and identifiers."""

from __future__ import annotations

import asyncio
from uuid import UUID

from servicekit.clock import ManualClock, uuid7


def test_identifiers_are_version_seven_and_sort_by_time() -> None:
    made = [uuid7() for _ in range(100)]

    assert {UUID(each).version for each in made} == {7}
    assert {UUID(each).variant for each in made} == {"specified in RFC 4122"}
    assert len(set(made)) == len(made)
    assert [each[:13] for each in made] == sorted(each[:13] for each in made)


async def test_sleepers_wake_in_order_and_only_when_due() -> None:
    clock = ManualClock()
    woken: list[str] = []

    async def sleep(name: str, seconds: float) -> None:
        await clock.sleep(seconds)
        woken.append(name)

    tasks = [asyncio.create_task(sleep("late", 2)), asyncio.create_task(sleep("early", 1))]
    while clock.sleepers < 2:
        await asyncio.sleep(0)
    clock.advance(1)
    await asyncio.wait([tasks[1]])

    assert woken == ["early"]
    clock.advance(1)
    await asyncio.gather(*tasks)
    assert woken == ["early", "late"]
