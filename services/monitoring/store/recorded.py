"""Samples of recorded series in PostgreSQL, tables `recorded_series` and `recorded_samples`."""

from __future__ import annotations

import contextlib
import hashlib
import json
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime

import asyncpg
import numpy as np
from typing_extensions import override

from servicekit.errors import StoreUnavailable
from servicekit.postgres import Database, Query
from services.monitoring.promql import Labels
from services.monitoring.windows import RecordedSample, RecordedStore, Times, Values

_ADD_SERIES = Query(
    "recorded_series.add",
    """
    INSERT INTO recorded_series (digest, labels)
    SELECT * FROM unnest($1::bytea[], $2::jsonb[])
    ON CONFLICT DO NOTHING
    """,
)

_ADD_SAMPLES = Query(
    "recorded_samples.add",
    """
    INSERT INTO recorded_samples (series, at, value)
    SELECT recorded_series.id, sample.at, sample.value
    FROM unnest($1::bytea[], $2::timestamptz[], $3::float8[]) AS sample (digest, at, value)
    JOIN recorded_series USING (digest)
    ON CONFLICT DO NOTHING
    """,
)

_LOAD = Query(
    "recorded_samples.load",
    """
    SELECT labels, array_agg(at ORDER BY at) AS times, array_agg(value ORDER BY at) AS values
    FROM recorded_samples JOIN recorded_series ON recorded_series.id = recorded_samples.series
    WHERE at >= $1 AND at < $2
    GROUP BY recorded_series.id
    """,
)

_FORGET = Query("recorded_samples.forget", "DELETE FROM recorded_samples WHERE at < $1")


class PostgresRecorded(RecordedStore):
    """Keeps the samples of each minute."""

    def __init__(self, database: Database) -> None:
        self._database = database

    @override
    async def add(self, samples: Sequence[RecordedSample]) -> None:
        labels = {_digest(sample.labels): sample.labels for sample in samples}
        with _missing_table():
            async with self._database.transaction() as transaction:
                await transaction.execute(_ADD_SERIES, list(labels), list(labels.values()))
                await transaction.execute(
                    _ADD_SAMPLES,
                    [_digest(sample.labels) for sample in samples],
                    [_moment(sample.time_ms) for sample in samples],
                    [sample.value for sample in samples],
                )

    @override
    async def load(self, start_ms: int, end_ms: int) -> Mapping[Labels, tuple[Times, Values]]:
        with _missing_table():
            rows = await self._database.fetch(_LOAD, _moment(start_ms), _moment(end_ms))
        return {Labels(row["labels"]): (_times(row["times"]), np.array(row["values"])) for row in rows}

    @override
    async def forget(self, before_ms: int) -> None:
        with _missing_table():
            await self._database.execute(_FORGET, _moment(before_ms))


def _digest(labels: Labels) -> bytes:
    return hashlib.sha256(json.dumps(list(labels.items())).encode()).digest()


def _moment(time_ms: int) -> datetime:
    return datetime.fromtimestamp(time_ms / 1000, UTC)


def _times(moments: Sequence[datetime]) -> Times:
    return np.array([round(moment.timestamp() * 1000) for moment in moments], np.int64)


@contextlib.contextmanager
def _missing_table() -> Iterator[None]:
    """We begin to write before readiness, so the migration may still be under way: that passes."""
    try:
        yield
    except asyncpg.UndefinedTableError:
        raise StoreUnavailable("the table is not there yet") from None
