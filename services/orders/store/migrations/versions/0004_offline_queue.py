"""Sales that tills made offline, and each till's place in the queue."""

from __future__ import annotations

from alembic import op

revision = "0004"
down_revision = "0003"

# A row for each till that ever sent a sale. `due_at` is empty while nothing waits; while a worker holds
# the till it is the end of its lease. `forgotten_through` is the highest number whose sale is kept no more.
TILLS = """
CREATE TABLE offline_tills (
    till_id uuid PRIMARY KEY,
    due_at timestamptz,
    token bigint NOT NULL DEFAULT 0,
    forgotten_through bigint NOT NULL DEFAULT 0 CHECK (forgotten_through >= 0)
) WITH (fillfactor = 50)
"""

# `content` is the sale as it was sent, until it ends: nobody needs the handles of its cards after that.
SALES = """
CREATE TABLE offline_sales (
    till_id uuid NOT NULL REFERENCES offline_tills,
    sequence bigint NOT NULL CHECK (sequence >= 1),
    fingerprint bytea NOT NULL CHECK (octet_length(fingerprint) = 32),
    content bytea,
    sale_time timestamptz NOT NULL,
    currency_code text NOT NULL CHECK (currency_code ~ '^[A-Z]{3}$'),
    charged_minor bigint NOT NULL CHECK (charged_minor > 0),
    placed_by text NOT NULL,
    synthetic boolean NOT NULL,
    request_id text NOT NULL,
    received_at timestamptz NOT NULL,
    ended_at timestamptz,
    order_id uuid UNIQUE,
    reason text NOT NULL DEFAULT '',
    description text NOT NULL DEFAULT '',
    PRIMARY KEY (till_id, sequence),
    CONSTRAINT offline_sales_keep_content_while_waiting CHECK ((content IS NULL) = (ended_at IS NOT NULL)),
    CONSTRAINT offline_sales_end_as_order_or_conflict CHECK
        (CASE WHEN ended_at IS NULL THEN order_id IS NULL AND reason = ''
              ELSE order_id IS NOT NULL OR reason <> '' END)
)
"""
WAITING = """
CREATE INDEX offline_sales_waiting ON offline_sales (till_id, sequence) INCLUDE (received_at)
WHERE ended_at IS NULL
"""
CONFLICTS = "CREATE INDEX offline_sales_conflicts ON offline_sales (till_id, sequence) WHERE reason <> ''"
ENDED = "CREATE INDEX offline_sales_ended ON offline_sales (ended_at) WHERE ended_at IS NOT NULL"


def upgrade() -> None:
    for statement in (TILLS, SALES, WAITING, CONFLICTS, ENDED):
        op.execute(statement)


def downgrade() -> None:
    op.execute("DROP TABLE offline_sales, offline_tills")
