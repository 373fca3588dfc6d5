"""Where the sandbox remembers: SQLite, in memory or in a file that outlives the process.

Calls are synchronous and take microseconds; one event loop uses the connection, so
a transaction is never interleaved with another.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager

IN_MEMORY = ":memory:"

Value = str | int | float | None
"""What can be bound to a statement."""


class Store:
    """One database. The parts that keep things in it make their own tables."""

    def __init__(self, path: str = IN_MEMORY) -> None:
        """Open the database at `path`, made if it is not there."""
        self._connection = sqlite3.connect(path, isolation_level=None)
        self._connection.row_factory = sqlite3.Row
        self._connection.execute("PRAGMA journal_mode = WAL")
        # Survives the death of the process, which is what a sandbox must survive.
        self._connection.execute("PRAGMA synchronous = NORMAL")

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """All that is written inside is kept, or, when an exception leaves it, none of it."""
        self._connection.execute("BEGIN IMMEDIATE")
        try:
            yield
        except BaseException:
            self._connection.execute("ROLLBACK")
            raise
        self._connection.execute("COMMIT")

    def execute(self, statement: str, *values: Value) -> None:
        """Run one statement."""
        self._connection.execute(statement, values)

    def rows(self, query: str, *values: Value) -> list[sqlite3.Row]:
        """All rows of one query."""
        return self._connection.execute(query, values).fetchall()

    def row(self, query: str, *values: Value) -> sqlite3.Row | None:
        """The first row of one query."""
        found: sqlite3.Row | None = self._connection.execute(query, values).fetchone()
        return found

    def close(self) -> None:
        """Close the database; what was kept stays in the file."""
        self._connection.close()
