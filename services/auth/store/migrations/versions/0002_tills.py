"""Tills, and the numbers of the keys that they may use: the keys themselves are kept nowhere."""

from alembic import op

revision = "0002"
down_revision = "0001"

TABLES = (
    # Names are compared by bytes: pages of them are the same on every server.
    """
    CREATE TABLE tills (
        id uuid PRIMARY KEY,
        name text COLLATE "C" NOT NULL UNIQUE CHECK (char_length(name) BETWEEN 1 AND 100),
        created_at timestamptz NOT NULL
    )
    """,
    """
    CREATE TABLE till_keys (
        till_id uuid NOT NULL REFERENCES tills,
        number integer NOT NULL CHECK (number >= 1),
        replaced_at timestamptz,
        PRIMARY KEY (till_id, number)
    )
    """,
    "CREATE UNIQUE INDEX till_keys_newest ON till_keys (till_id) WHERE replaced_at IS NULL",
)


def upgrade() -> None:
    for statement in TABLES:
        op.execute(statement)


def downgrade() -> None:
    for table in ("till_keys", "tills"):
        op.execute(f"DROP TABLE {table}")
