"""Transitions in PostgreSQL, table `mesh_transitions`."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Sequence

import asyncpg
from typing_extensions import override

from servicekit.errors import StoreUnavailable
from servicekit.postgres import Database, Query
from services.monitoring.mesh import NodeState, Transition, TransitionStore

_ADD = Query(
    "mesh_transitions.add",
    """
    INSERT INTO mesh_transitions (node, state, since)
    SELECT * FROM unnest($1::text[], $2::text[], $3::timestamptz[])
    ON CONFLICT DO NOTHING
    """,
)

_HISTORY = Query(
    "mesh_transitions.history",
    "SELECT node, state, since FROM mesh_transitions WHERE node = $1 ORDER BY since DESC LIMIT $2",
)


class PostgresTransitions(TransitionStore):
    """Keeps transitions for good."""

    def __init__(self, database: Database) -> None:
        self._database = database

    @override
    async def add(self, transitions: Sequence[Transition]) -> None:
        with _missing_table():
            await self._database.execute(
                _ADD,
                [one.node for one in transitions],
                [one.state.value for one in transitions],
                [one.since for one in transitions],
            )

    @override
    async def history(self, node: str, limit: int) -> Sequence[Transition]:
        with _missing_table():
            rows = await self._database.fetch(_HISTORY, node, limit)
        return [Transition(row["node"], NodeState(row["state"]), row["since"]) for row in rows]


@contextlib.contextmanager
def _missing_table() -> Iterator[None]:
    """We begin to write before readiness, so the migration may still be under way: that passes."""
    try:
        yield
    except asyncpg.UndefinedTableError:
        raise StoreUnavailable("the table is not there yet") from None
