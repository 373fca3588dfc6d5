"""Payments, and every attempt at one."""

from __future__ import annotations

from alembic import op

revision = "0001"
down_revision = None

# `order_id` is not unique: the id, derived from the order, is what keeps an order at one payment, and
# what will tell the parts of a split one apart. `method` has one value until then.
PAYMENTS = """
CREATE TABLE payments (
    id uuid PRIMARY KEY,
    order_id uuid NOT NULL,
    method text NOT NULL DEFAULT 'card' CHECK (method IN ('card')),
    payment_method text NOT NULL CHECK (payment_method <> ''),
    currency_code text NOT NULL CHECK (currency_code ~ '^[A-Z]{3}$'),
    amount_minor bigint NOT NULL CHECK (amount_minor > 0),
    state text NOT NULL CHECK (state IN ('CREATED', 'UNKNOWN', 'AUTHORIZED', 'CAPTURED', 'DECLINED')),
    decline_reason text NOT NULL,
    provider_id text NOT NULL,
    created_at timestamptz NOT NULL,
    updated_at timestamptz NOT NULL CHECK (updated_at >= created_at),
    CONSTRAINT payments_say_why CHECK ((decline_reason <> '') = (state = 'DECLINED')),
    CONSTRAINT payments_held_somewhere CHECK (provider_id <> '' OR state NOT IN ('AUTHORIZED', 'CAPTURED'))
) WITH (fillfactor = 70)
"""
# One thing at the provider pays one payment; webhooks look payments up by it.
PAYMENTS_BY_PROVIDER_ID = """
CREATE UNIQUE INDEX payments_by_provider_id ON payments (provider_id) WHERE provider_id <> ''
"""
PAYMENTS_BY_ORDER = "CREATE INDEX payments_by_order ON payments (order_id)"

# Kept before the provider is asked: a row that stays SENT is a call that was cut off.
ATTEMPTS = """
CREATE TABLE attempts (
    id uuid PRIMARY KEY,
    payment_id uuid NOT NULL REFERENCES payments,
    operation text NOT NULL CHECK (operation IN ('authorize', 'capture')),
    provider_key text NOT NULL CHECK (char_length(provider_key) BETWEEN 1 AND 255),
    currency_code text NOT NULL CHECK (currency_code ~ '^[A-Z]{3}$'),
    amount_minor bigint NOT NULL CHECK (amount_minor > 0),
    state text NOT NULL CHECK (state IN ('SENT', 'SUCCEEDED', 'DECLINED', 'UNKNOWN')),
    detail text NOT NULL,
    created_at timestamptz NOT NULL,
    ended_at timestamptz CHECK (ended_at >= created_at),
    CONSTRAINT attempts_end CHECK ((ended_at IS NULL) = (state = 'SENT')),
    CONSTRAINT attempts_say_why CHECK ((detail <> '') = (state IN ('DECLINED', 'UNKNOWN')))
) WITH (fillfactor = 70)
"""
ATTEMPTS_OF_PAYMENT = "CREATE INDEX attempts_of_payment ON attempts (payment_id, created_at)"


def upgrade() -> None:
    for statement in (PAYMENTS, PAYMENTS_BY_PROVIDER_ID, PAYMENTS_BY_ORDER, ATTEMPTS, ATTEMPTS_OF_PAYMENT):
        op.execute(statement)


def downgrade() -> None:
    op.execute("DROP TABLE attempts")
    op.execute("DROP TABLE payments")
