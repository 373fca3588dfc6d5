"""Orders that end in every way a shop knows: events, refunds, age checks, stock history."""

from __future__ import annotations

from alembic import op

revision = "0003"
down_revision = "0002"

# `sequence` is the number of the order's last event and the version that a step begins from.
ORDERS = """
ALTER TABLE orders
    ADD COLUMN sequence integer NOT NULL DEFAULT 1 CHECK (sequence >= 1),
    ADD COLUMN event text NOT NULL DEFAULT 'order_created',
    ADD COLUMN closing_state text CHECK (closing_state IN ('CANCELLED', 'REJECTED')),
    ADD COLUMN closing_reason text CHECK (char_length(closing_reason) BETWEEN 1 AND 64),
    ADD COLUMN till_id text NOT NULL DEFAULT '',
    ADD COLUMN minimum_age smallint NOT NULL DEFAULT 0 CHECK (minimum_age BETWEEN 0 AND 99),
    ADD CONSTRAINT orders_close_for_a_reason CHECK ((closing_state IS NULL) = (closing_reason IS NULL)),
    ADD CONSTRAINT orders_close_while_open CHECK (closing_state IS NULL OR reserved_until IS NOT NULL)
"""
KNOWN_EVENT = """
UPDATE orders SET event = CASE state
    WHEN 'AUTHORIZED' THEN 'order_authorized'
    WHEN 'COMPLETED' THEN 'order_completed'
    WHEN 'REJECTED' THEN 'order_rejected'
    ELSE 'order_created'
END
WHERE state <> 'PENDING'
"""
EXPIRING = """
CREATE INDEX orders_expiring ON orders (reserved_until)
WHERE reserved_until IS NOT NULL AND closing_state IS NULL
"""

# All of an order that may change, so that it can be told as it was after each event.
EVENTS = """
CREATE TABLE order_events (
    order_id uuid NOT NULL REFERENCES orders,
    sequence integer NOT NULL CHECK (sequence >= 1),
    name text NOT NULL,
    state text NOT NULL,
    state_reason text NOT NULL,
    payment_ids uuid[] NOT NULL,
    at timestamptz NOT NULL,
    PRIMARY KEY (order_id, sequence)
)
"""
FIRST_EVENTS = """
INSERT INTO order_events (order_id, sequence, name, state, state_reason, payment_ids, at)
SELECT id, sequence, event, state, state_reason,
    ARRAY(SELECT payment_id FROM order_tenders WHERE order_id = orders.id ORDER BY position), updated_at
FROM orders
"""

# The constraint of 0001 has the name that PostgreSQL gave it.
TENDERS = """
ALTER TABLE order_tenders
    DROP CONSTRAINT order_tenders_method_check,
    ADD CONSTRAINT order_tenders_method_check CHECK (method IN ('CARD', 'CASH', 'GIFT_CARD'))
"""

REFUNDS = """
CREATE TABLE order_refunds (
    order_id uuid NOT NULL REFERENCES orders,
    position smallint NOT NULL CHECK (position >= 1),
    id uuid NOT NULL UNIQUE,
    shares_minor bigint[] NOT NULL,
    requested_by text NOT NULL,
    requested_at timestamptz NOT NULL,
    made_at_sequence integer,
    PRIMARY KEY (order_id, position)
)
"""

# One check for each order, kept for good: see the trigger.
AGE_VERIFICATIONS = """
CREATE TABLE age_verifications (
    order_id uuid PRIMARY KEY REFERENCES orders,
    verified_by text NOT NULL CHECK (verified_by <> ''),
    method text NOT NULL,
    minimum_age smallint NOT NULL CHECK (minimum_age BETWEEN 1 AND 99),
    is_met boolean NOT NULL,
    verified_at timestamptz NOT NULL
)
"""
AGE_VERIFICATIONS_IN_TIME = (
    "CREATE INDEX age_verifications_in_time ON age_verifications (verified_at, order_id)"
)
REFUSE_CHANGE = """
CREATE FUNCTION refuse_change() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'rows of % are never changed or removed', TG_TABLE_NAME;
END
$$
"""
APPEND_ONLY = """
CREATE TRIGGER age_verifications_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON age_verifications
FOR EACH STATEMENT EXECUTE FUNCTION refuse_change()
"""

# `movements` is the number of the last row of the product's history.
STOCK = """
ALTER TABLE stock
    ADD COLUMN low_threshold integer NOT NULL DEFAULT 0 CHECK (low_threshold >= 0),
    ADD COLUMN movements integer NOT NULL DEFAULT 0 CHECK (movements >= 0)
"""
DELIVERIES = "ALTER TABLE deliveries ADD COLUMN low_threshold integer NOT NULL DEFAULT 0"
DELIVERIES_NUMBERED = "ALTER TABLE deliveries ADD COLUMN number integer NOT NULL DEFAULT 0"
MOVEMENTS = """
CREATE TABLE stock_movements (
    sku text COLLATE "C" NOT NULL REFERENCES products,
    number integer NOT NULL CHECK (number >= 1),
    reason text NOT NULL CHECK (reason IN ('DELIVERED', 'RESERVED', 'RELEASED', 'SOLD')),
    quantity integer NOT NULL CHECK (quantity > 0),
    on_hand integer NOT NULL,
    reserved integer NOT NULL,
    order_id uuid,
    delivery_id uuid,
    at timestamptz NOT NULL,
    PRIMARY KEY (sku, number),
    CHECK ((order_id IS NULL) = (reason = 'DELIVERED')),
    CHECK ((delivery_id IS NOT NULL) = (reason = 'DELIVERED'))
)
"""

KEYS_BY_AGE = "CREATE INDEX idempotency_keys_by_age ON idempotency_keys (created_at)"


def upgrade() -> None:
    for statement in (
        ORDERS,
        KNOWN_EVENT,
        EXPIRING,
        EVENTS,
        FIRST_EVENTS,
        TENDERS,
        REFUNDS,
        AGE_VERIFICATIONS,
        AGE_VERIFICATIONS_IN_TIME,
        REFUSE_CHANGE,
        APPEND_ONLY,
        STOCK,
        DELIVERIES,
        DELIVERIES_NUMBERED,
        MOVEMENTS,
        KEYS_BY_AGE,
    ):
        op.execute(statement)


def downgrade() -> None:
    op.execute("DROP TABLE stock_movements, age_verifications, order_refunds, order_events")
    op.execute("DROP FUNCTION refuse_change")
    op.execute("DROP INDEX idempotency_keys_by_age, orders_expiring")
    op.execute("ALTER TABLE deliveries DROP COLUMN low_threshold, DROP COLUMN number")
    op.execute("ALTER TABLE stock DROP COLUMN low_threshold, DROP COLUMN movements")
    op.execute(
        """
        ALTER TABLE orders DROP COLUMN sequence, DROP COLUMN event, DROP COLUMN closing_state CASCADE,
            DROP COLUMN closing_reason CASCADE, DROP COLUMN till_id, DROP COLUMN minimum_age
        """
    )
