"""All that is kept, in PostgreSQL: one module per aggregate, one transaction over all."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import asyncpg
from typing_extensions import override

from servicekit import postgres
from servicekit.errors import StoreUnavailable
from servicekit.outbox import Outbox
from services.orders.ports import Store, Transaction
from services.orders.store.postgres.age_checks import PostgresAgeChecks
from services.orders.store.postgres.attempts import PostgresAttempts
from services.orders.store.postgres.dead_letters import PostgresDeadLetters
from services.orders.store.postgres.errands import PostgresErrands
from services.orders.store.postgres.experiments import PostgresExposures
from services.orders.store.postgres.inventory import PostgresInventory
from services.orders.store.postgres.orders import PostgresOrders
from services.orders.store.postgres.products import PostgresProducts

__all__ = ["PostgresExposures", "PostgresStore"]


class _PostgresTransaction(Transaction):
    """All that is kept, in one transaction."""

    def __init__(
        self, tx: postgres.Transaction, errands: PostgresErrands, dead_letters: PostgresDeadLetters
    ) -> None:
        self.products = PostgresProducts(tx)
        self.inventory = PostgresInventory(tx)
        self.orders = PostgresOrders(tx)
        self.age_checks = PostgresAgeChecks(tx)
        self.dead_letters = dead_letters
        self.attempts = PostgresAttempts(tx)
        self.errands = errands


class PostgresStore(Store):
    """All that is kept."""

    def __init__(self, database: postgres.Database, outbox: Outbox) -> None:
        self._database = database
        self._outbox = outbox
        self.products = PostgresProducts(database)
        self.inventory = PostgresInventory(database)
        self.orders = PostgresOrders(database)
        self.age_checks = PostgresAgeChecks(database)
        self.dead_letters = PostgresDeadLetters(outbox)

    @override
    @asynccontextmanager
    async def transaction(self) -> AsyncIterator[Transaction]:
        """A transaction. Local workers are woken once it is kept and there is work for them."""
        try:
            async with self._database.transaction() as tx:
                errands = PostgresErrands(tx, self._outbox)
                dead_letters = PostgresDeadLetters(self._outbox, tx)
                yield _PostgresTransaction(tx, errands, dead_letters)
        except asyncpg.LockNotAvailableError as error:
            raise StoreUnavailable("what this needs is held by another transaction for too long") from error
        if errands.are_added or dead_letters.are_replayed:
            self._outbox.wake()
