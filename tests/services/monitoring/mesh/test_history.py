import asyncio
from collections.abc import Sequence
from datetime import UTC, datetime

import pytest
from typing_extensions import override

from servicekit.clock import ManualClock
from servicekit.errors import StoreUnavailable
from services.monitoring.mesh import History, Mesh, NodeState, Signals, Transition
from services.monitoring.store.memory import MemoryTransitions
from services.monitoring.workers import STORE_PAUSE_SECONDS, HistoryWriter

NOON = datetime(2026, 11, 23, 12, tzinfo=UTC)


class LostTransitions(Signals):
    """Remembers what was lost."""

    def __init__(self) -> None:
        self.lost: list[str] = []

    @override
    def node_changed(self, transition: Transition, reason: str) -> None: ...

    @override
    def mesh_changed(self, mesh: Mesh) -> None: ...

    @override
    def transition_lost(self, transition: Transition) -> None:
        self.lost.append(transition.node)


class UnreliableStore(MemoryTransitions):
    """A store that is away until it is back; it may keep what it does not acknowledge."""

    def __init__(self) -> None:
        super().__init__()
        self.is_away = True
        self.keeps_silently = False
        self.asked = asyncio.Event()

    @override
    async def add(self, transitions: Sequence[Transition]) -> None:
        self.asked.set()
        if not self.is_away or self.keeps_silently:
            await super().add(transitions)
        if self.is_away:
            raise StoreUnavailable("the database is not reachable")


def transition(node: str) -> Transition:
    return Transition(node, NodeState.SERVING, NOON)


@pytest.fixture
def store() -> UnreliableStore:
    return UnreliableStore()


@pytest.fixture
def signals() -> LostTransitions:
    return LostTransitions()


async def test_transitions_wait_while_the_store_is_away(
    store: UnreliableStore, signals: LostTransitions
) -> None:
    history = History(store, signals)
    history.add(transition("auth"))

    with pytest.raises(StoreUnavailable):
        await history.write()
    store.is_away = False
    await history.write()

    assert await store.history("auth", 10) == [transition("auth")]


async def test_a_write_that_was_kept_but_not_acknowledged_is_kept_once(
    store: UnreliableStore, signals: LostTransitions
) -> None:
    store.keeps_silently = True
    history = History(store, signals)
    history.add(transition("auth"))

    with pytest.raises(StoreUnavailable):
        await history.write()
    store.is_away = False
    await history.write()

    assert await store.history("auth", 10) == [transition("auth")]


async def test_memory_is_bounded_and_the_oldest_are_lost_aloud(
    store: UnreliableStore, signals: LostTransitions
) -> None:
    history = History(store, signals, limit=2)

    for node in ("a", "b", "c"):
        history.add(transition(node))
    store.is_away = False
    await history.write()

    assert signals.lost == ["a"]
    assert [bool(await store.history(node, 1)) for node in "abc"] == [False, True, True]


class SlowStore(MemoryTransitions):
    """A store whose writes wait until they are let through."""

    def __init__(self) -> None:
        super().__init__()
        self.asked = asyncio.Event()
        self.let_through = asyncio.Event()

    @override
    async def add(self, transitions: Sequence[Transition]) -> None:
        self.asked.set()
        await self.let_through.wait()
        await super().add(transitions)


async def test_what_arrives_and_what_overflows_during_a_write_is_neither_lost_nor_written_twice(
    signals: LostTransitions,
) -> None:
    store = SlowStore()
    history = History(store, signals, limit=2)
    history.add(transition("a"))
    history.add(transition("b"))
    async with asyncio.TaskGroup() as writing:
        writing.create_task(history.write())
        await store.asked.wait()
        history.add(transition("c"))
        store.let_through.set()

    await history.write()

    assert [len(await store.history(node, 10)) for node in "abc"] == [1, 1, 1]


async def test_the_writer_tries_again_until_the_store_is_back(
    store: UnreliableStore, signals: LostTransitions
) -> None:
    clock, stop = ManualClock(), asyncio.Event()
    history = History(store, signals)
    async with asyncio.timeout(5), asyncio.TaskGroup() as running:
        running.create_task(HistoryWriter(history, clock).run(stop))
        history.add(transition("auth"))
        await store.asked.wait()
        store.is_away = False
        store.asked.clear()
        while not clock.sleepers:
            await asyncio.sleep(0)
        clock.advance(STORE_PAUSE_SECONDS)
        await store.asked.wait()
        stop.set()

    assert await store.history("auth", 10) == [transition("auth")]


async def test_the_writer_writes_what_is_left_when_it_is_told_to_stop(
    store: UnreliableStore, signals: LostTransitions
) -> None:
    stop = asyncio.Event()
    stop.set()
    store.is_away = False
    history = History(store, signals)
    history.add(transition("auth"))

    await HistoryWriter(history, ManualClock()).run(stop)

    assert await store.history("auth", 10) == [transition("auth")]


async def test_the_writer_stops_though_the_store_is_away(
    store: UnreliableStore, signals: LostTransitions
) -> None:
    stop = asyncio.Event()
    stop.set()
    history = History(store, signals)
    history.add(transition("auth"))

    await HistoryWriter(history, ManualClock()).run(stop)

    assert await store.history("auth", 10) == []
