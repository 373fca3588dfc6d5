"""The history of the mesh: when each node came to be in which state."""

from __future__ import annotations

from alembic import op

revision = "0001"
down_revision: str | None = None
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.execute(
        """
        CREATE TABLE mesh_transitions (
            node text NOT NULL,
            state text NOT NULL CHECK (state IN ('SERVING', 'NOT_SERVING', 'UNKNOWN')),
            since timestamptz NOT NULL,
            PRIMARY KEY (node, since, state)
        )
        """
    )


def downgrade() -> None:
    op.execute("DROP TABLE mesh_transitions")
