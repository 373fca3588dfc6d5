"""What is counted of PostgreSQL, and the silence for whoever does not count."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

from typing_extensions import override

from servicekit.instruments import Instruments


@dataclass(frozen=True)
class PoolUse:
    """Connections held: in use, and waiting to be used."""

    used: int
    idle: int


class Signals(Protocol):
    """What the database reports."""

    def query_ended(self, query: str, seconds: float, failure: str) -> None:
        """Count one query; `failure` is empty when it succeeded, else a class of SQLSTATE or a word."""
        ...

    def watch_pool(self, size: int, use: Callable[[], PoolUse]) -> None:
        """Know the pool's bound, and how to ask what is used of it."""
        ...


class NoSignals(Signals):
    """Counts nothing."""

    @override
    def query_ended(self, query: str, seconds: float, failure: str) -> None:
        pass

    @override
    def watch_pool(self, size: int, use: Callable[[], PoolUse]) -> None:
        pass


class PostgresSignals(Signals):
    """Counts with the instruments that `observability/telemetry/servicekit.yaml` declares."""

    def __init__(self, instruments: Instruments) -> None:
        self._duration = instruments.histogram("db_query_duration_seconds")
        self._errors = instruments.counter("db_query_errors_total")
        self._connections = instruments.gauge("db_pool_connections")
        self._size = instruments.gauge("db_pool_size")

    @override
    def query_ended(self, query: str, seconds: float, failure: str) -> None:
        self._duration.labels(query=query).observe(seconds)
        if failure:
            self._errors.labels(sqlstate_class=failure).inc()

    @override
    def watch_pool(self, size: int, use: Callable[[], PoolUse]) -> None:
        self._size.set(size)
        # Asked when the metrics are read: the truth of that moment, at no cost to a query.
        self._connections.labels(state="used").set_function(lambda: use().used)
        self._connections.labels(state="idle").set_function(lambda: use().idle)
