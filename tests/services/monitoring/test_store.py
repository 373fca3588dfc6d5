"""One contract, held by every store of transitions."""

from collections.abc import AsyncIterator, Callable
from datetime import UTC, datetime, timedelta

import pytest
from pydantic import SecretStr

from servicekit.errors import StoreUnavailable
from servicekit.postgres import Database
from servicekit.settings import PostgresSettings
from services.monitoring.mesh import NodeState, Transition, TransitionStore
from services.monitoring.store.memory import MemoryTransitions
from services.monitoring.store.postgres import PostgresTransitions

NOON = datetime(2026, 11, 23, 12, 0, 0, 123456, tzinfo=UTC)


@pytest.fixture(params=["memory", "postgres"])
async def store(request: pytest.FixtureRequest) -> AsyncIterator[TransitionStore]:
    if request.param == "memory":
        yield MemoryTransitions()
        return
    make_database: Callable[[str | None], str] = request.getfixturevalue("make_database")
    url = make_database("services.monitoring")
    database = Database(PostgresSettings(database_url=SecretStr(url)))
    yield PostgresTransitions(database)
    await database.close()


def transition(seconds: int, state: NodeState = NodeState.SERVING, node: str = "orders") -> Transition:
    return Transition(node, state, NOON + timedelta(seconds=seconds))


async def test_history_comes_back_newest_first(store: TransitionStore) -> None:
    first, second = transition(0), transition(1, NodeState.NOT_SERVING)
    third = transition(2, NodeState.UNKNOWN)

    await store.add([first, third])
    await store.add([second])

    assert await store.history("orders", 10) == [third, second, first]


async def test_history_ends_at_its_limit(store: TransitionStore) -> None:
    await store.add([transition(second) for second in range(5)])

    assert await store.history("orders", 2) == [transition(4), transition(3)]


async def test_history_is_of_one_node(store: TransitionStore) -> None:
    await store.add([transition(0), transition(1, node="auth")])

    assert await store.history("auth", 10) == [transition(1, node="auth")]
    assert await store.history("nobody", 10) == []


async def test_adding_a_transition_again_keeps_it_once(store: TransitionStore) -> None:
    await store.add([transition(0), transition(0)])
    await store.add([transition(0)])

    assert await store.history("orders", 10) == [transition(0)]


async def test_adding_nothing_is_nothing(store: TransitionStore) -> None:
    await store.add([])

    assert await store.history("orders", 10) == []


async def test_a_database_that_is_away_is_said_to_be() -> None:
    settings = PostgresSettings(database_url=SecretStr("postgresql://nobody@127.0.0.1:1/none"))
    store = PostgresTransitions(Database(settings))

    with pytest.raises(StoreUnavailable):
        await store.add([transition(0)])


async def test_a_database_that_is_not_migrated_yet_is_away_too(
    make_database: Callable[[str | None], str],
) -> None:
    database = Database(PostgresSettings(database_url=SecretStr(make_database(None))))
    store = PostgresTransitions(database)

    with pytest.raises(StoreUnavailable):
        await store.add([transition(0)])
    with pytest.raises(StoreUnavailable):
        await store.history("orders", 1)
    await database.close()
