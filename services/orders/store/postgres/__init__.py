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
from services.orders.store.postgres.attempts import PostgresAttempts
from services.orders.store.postgres.errands import PostgresErrands
from services.orders.store.postgres.experiments import PostgresExposures
from services.orders.store.postgres.inventory import PostgresInventory
from services.orders.store.postgres.orders import PostgresOrders
from services.orders.store.postgres.products import PostgresProducts

__all__ = ["PostgresExposures", "PostgresStore"]


class _PostgresTransaction(Transaction):
    """All that is kept, in one transaction."""

    def __init__(self, tx: postgres.Transaction, errands: PostgresErrands) -> None:
        self.products = PostgresProducts(tx)
        self.inventory = PostgresInventory(tx)
        self.orders = PostgresOrders(tx)
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

    @override
    @asynccontextmanager
    async def transaction(self) -> AsyncIterator[Transaction]:
        """A transaction. Local workers are woken once it is kept and has added an errand."""
        try:
            async with self._database.transaction() as tx:
                errands = PostgresErrands(tx, self._outbox)
                yield _PostgresTransaction(tx, errands)
        except asyncpg.LockNotAvailableError as error:
            raise StoreUnavailable("what this needs is held by another transaction for too long") from error
        if errands.are_added:
            self._outbox.wake()
