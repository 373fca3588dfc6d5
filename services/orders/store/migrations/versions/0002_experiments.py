"""Who was shown which variant of an experiment, and whether they came back."""

from __future__ import annotations

from alembic import op

revision = "0002"
down_revision = "0001"

# Not bound to `orders`: what is known of an experiment may outlive the orders it began with.
EXPOSURES = """
CREATE TABLE experiment_exposures (
    experiment text COLLATE "C" NOT NULL CHECK (experiment <> ''),
    customer text COLLATE "C" NOT NULL CHECK (customer <> ''),
    variant text NOT NULL CHECK (variant <> ''),
    order_id uuid NOT NULL,
    exposed_at timestamptz NOT NULL,
    converted_at timestamptz,
    PRIMARY KEY (experiment, customer)
)
"""
OPEN = """
CREATE INDEX experiment_exposures_open ON experiment_exposures (customer) WHERE converted_at IS NULL
"""


def upgrade() -> None:
    op.execute(EXPOSURES)
    op.execute(OPEN)


def downgrade() -> None:
    op.execute("DROP TABLE experiment_exposures")
