"""What runs a query: the database for reading, a transaction for the rest."""

from __future__ import annotations

from typing import TypeAlias

from servicekit.postgres import Database, Transaction

Executor: TypeAlias = Database | Transaction
