"""The table and every statement on it."""

from servicekit.postgres import Query

# `due_at`: when a waiting job may be leased, and when the lease of a leased one ends: one index serves both.
# Rows are deleted when they are finished; vacuum comes early, because dead rows are what slows a queue.
TABLE = (
    """
    CREATE TABLE outbox (
        id uuid PRIMARY KEY,
        kind text NOT NULL,
        key text NOT NULL,
        payload jsonb NOT NULL,
        due_at timestamptz NOT NULL,
        is_leased boolean NOT NULL DEFAULT false,
        token bigint NOT NULL DEFAULT 0,
        attempts integer NOT NULL DEFAULT 0,
        request_id text NOT NULL,
        traceparent text NOT NULL,
        subject text NOT NULL,
        synthetic boolean NOT NULL,
        created_at timestamptz NOT NULL,
        failure text NOT NULL DEFAULT '',
        dead_at timestamptz
    ) WITH (
        fillfactor = 70,
        autovacuum_vacuum_scale_factor = 0,
        autovacuum_vacuum_threshold = 500
    )
    """,
    "CREATE INDEX outbox_due ON outbox (due_at) WHERE dead_at IS NULL",
    "CREATE INDEX outbox_dead ON outbox (dead_at) WHERE dead_at IS NOT NULL",
)

ADD = Query(
    "outbox.add",
    """
    INSERT INTO outbox
        (id, kind, key, payload, due_at, request_id, traceparent, subject, synthetic, created_at)
    VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)
    """,
)

# Rows that another worker is just leasing are skipped, not waited for.
LEASE = Query(
    "outbox.lease",
    """
    WITH due AS (
        SELECT id FROM outbox
        WHERE dead_at IS NULL AND due_at <= $1
        ORDER BY due_at
        LIMIT $2
        FOR UPDATE SKIP LOCKED
    )
    UPDATE outbox
    SET token = token + 1, attempts = attempts + 1, is_leased = true, due_at = $3
    FROM due
    WHERE outbox.id = due.id
    RETURNING outbox.id, kind, key, payload, attempts, token, request_id, traceparent, subject, synthetic
    """,
)

EXTEND = Query("outbox.extend", "UPDATE outbox SET due_at = $3 WHERE id = $1 AND token = $2 AND is_leased")

FINISH = Query("outbox.finish", "DELETE FROM outbox WHERE id = $1 AND token = $2 AND is_leased")

RETRY = Query(
    "outbox.retry",
    """
    UPDATE outbox SET is_leased = false, due_at = $3, failure = $4
    WHERE id = $1 AND token = $2 AND is_leased
    """,
)

RELEASE = Query(
    "outbox.release",
    """
    UPDATE outbox SET is_leased = false, due_at = $3, attempts = attempts - 1
    WHERE id = $1 AND token = $2 AND is_leased
    """,
)

BURY = Query(
    "outbox.bury",
    """
    UPDATE outbox SET is_leased = false, dead_at = $3, failure = $4
    WHERE id = $1 AND token = $2 AND is_leased
    """,
)

DEAD = Query(
    "outbox.dead",
    """
    SELECT id, kind, key, failure, dead_at FROM outbox
    WHERE dead_at IS NOT NULL AND ($1::uuid IS NULL OR id > $1)
    ORDER BY id
    LIMIT $2
    """,
)

REPLAY = Query(
    "outbox.replay",
    "UPDATE outbox SET dead_at = NULL, attempts = 0, due_at = $2 WHERE id = $1 AND dead_at IS NOT NULL",
)

EXISTS = Query("outbox.exists", "SELECT true FROM outbox WHERE id = $1")

DEPTH = Query(
    "outbox.depth",
    """
    SELECT
        count(*) FILTER (WHERE dead_at IS NULL AND NOT (is_leased AND due_at > $1)) AS waiting,
        count(*) FILTER (WHERE dead_at IS NULL AND is_leased AND due_at > $1) AS leased,
        count(*) FILTER (WHERE dead_at IS NOT NULL) AS dead,
        coalesce(
            extract(epoch FROM $1 - min(due_at) FILTER (WHERE dead_at IS NULL AND due_at <= $1)), 0
        )::float8 AS lag_seconds
    FROM outbox
    """,
)
