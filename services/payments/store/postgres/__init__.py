"""Payments in PostgreSQL. No payment, attempt, refund or line of the books is ever deleted."""

from services.payments.store.postgres.news import news_of
from services.payments.store.postgres.store import PostgresStore

__all__ = ["PostgresStore", "news_of"]
