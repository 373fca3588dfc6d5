"""Users, their sessions, what callers attempted, and the keys that sign."""

from alembic import op

revision = "0001"
down_revision = None

TABLES = (
    """
    CREATE TABLE users (
        id uuid PRIMARY KEY,
        email text NOT NULL UNIQUE,
        display_name text NOT NULL,
        password_hash text NOT NULL,
        roles text[] NOT NULL CHECK (
            cardinality(roles) > 0
            AND roles <@ ARRAY['customer', 'cashier', 'manager', 'engineer', 'admin']
        ),
        created_at timestamptz NOT NULL
    )
    """,
    """
    CREATE TABLE sessions (
        id uuid PRIMARY KEY,
        user_id uuid NOT NULL REFERENCES users,
        created_at timestamptz NOT NULL,
        expires_at timestamptz NOT NULL,
        ended_at timestamptz
    )
    """,
    "CREATE INDEX sessions_by_expiry ON sessions (expires_at)",
    # Spent tokens stay while their session does: that is how a stolen one is noticed.
    """
    CREATE TABLE refresh_tokens (
        digest bytea PRIMARY KEY,
        session_id uuid NOT NULL REFERENCES sessions ON DELETE CASCADE,
        is_spent boolean NOT NULL DEFAULT false
    )
    """,
    "CREATE INDEX refresh_tokens_by_session ON refresh_tokens (session_id)",
    """
    CREATE TABLE attempts (
        caller text NOT NULL,
        key text NOT NULL,
        fingerprint bytea NOT NULL,
        answer jsonb NOT NULL,
        made_at timestamptz NOT NULL,
        PRIMARY KEY (caller, key)
    )
    """,
    "CREATE INDEX attempts_by_age ON attempts (made_at)",
    """
    CREATE TABLE signing_keys (
        id text PRIMARY KEY,
        public_key bytea NOT NULL,
        sealed_private_key bytea NOT NULL,
        created_at timestamptz NOT NULL
    )
    """,
)


def upgrade() -> None:
    for statement in TABLES:
        op.execute(statement)


def downgrade() -> None:
    for table in ("signing_keys", "attempts", "refresh_tokens", "sessions", "users"):
        op.execute(f"DROP TABLE {table}")
