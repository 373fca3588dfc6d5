"""Samples of recorded series, one a minute, for windows longer than those in memory."""

from __future__ import annotations

from alembic import op

revision = "0002"
down_revision: str | None = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.execute(
        """
        CREATE TABLE recorded_series (
            id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
            digest bytea NOT NULL UNIQUE,
            labels jsonb NOT NULL
        )
        """
    )
    op.execute(
        """
        CREATE TABLE recorded_samples (
            series bigint NOT NULL REFERENCES recorded_series,
            at timestamptz NOT NULL,
            value double precision NOT NULL,
            PRIMARY KEY (series, at)
        )
        """
    )
    # Written in the order of time, and read and removed by time.
    op.execute("CREATE INDEX recorded_samples_at ON recorded_samples USING brin (at)")


def downgrade() -> None:
    op.execute("DROP TABLE recorded_samples")
    op.execute("DROP TABLE recorded_series")
