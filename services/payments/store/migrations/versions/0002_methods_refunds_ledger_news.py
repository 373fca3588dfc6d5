"""Other ways to pay, refunds, gift cards, the ledger, and news of the provider."""

from __future__ import annotations

from alembic import op

from servicekit.outbox import TABLE as OUTBOX

revision = "0002"
down_revision = "0001"

# One that was voided before anybody asked for it has an id and nothing else.
PAYMENTS = (
    "ALTER TABLE payments ALTER COLUMN order_id DROP NOT NULL",
    "ALTER TABLE payments DROP CONSTRAINT payments_method_check",
    """
    ALTER TABLE payments
        ADD CONSTRAINT payments_method_check CHECK (method IN ('card', 'cash', 'gift_card'))
    """,
    "ALTER TABLE payments DROP CONSTRAINT payments_payment_method_check",
    "ALTER TABLE payments DROP CONSTRAINT payments_currency_code_check",
    "ALTER TABLE payments DROP CONSTRAINT payments_amount_minor_check",
    "ALTER TABLE payments DROP CONSTRAINT payments_state_check",
    "ALTER TABLE payments DROP CONSTRAINT payments_held_somewhere",
    """
    ALTER TABLE payments
        ADD COLUMN share integer NOT NULL DEFAULT 0 CHECK (share >= 0),
        ADD COLUMN held_minor bigint NOT NULL DEFAULT 0 CHECK (held_minor BETWEEN 0 AND amount_minor),
        ADD COLUMN captured_minor bigint NOT NULL DEFAULT 0
            CHECK (captured_minor BETWEEN 0 AND amount_minor),
        ADD COLUMN refunded_minor bigint NOT NULL DEFAULT 0
            CHECK (refunded_minor BETWEEN 0 AND captured_minor),
        ADD COLUMN pending text CHECK (pending IN ('authorize', 'capture', 'void')),
        ADD COLUMN pending_minor bigint NOT NULL DEFAULT 0,
        ADD COLUMN ask_at timestamptz,
        ADD COLUMN asks integer NOT NULL DEFAULT 0
    """,
    "UPDATE payments SET held_minor = amount_minor WHERE state = 'AUTHORIZED'",
    "UPDATE payments SET captured_minor = amount_minor WHERE state = 'CAPTURED'",
    """
    UPDATE payments SET
        pending = CASE WHEN provider_id = '' THEN 'authorize' ELSE 'capture' END,
        held_minor = CASE WHEN provider_id = '' THEN 0 ELSE amount_minor END,
        pending_minor = CASE WHEN provider_id = '' THEN 0 ELSE amount_minor END,
        ask_at = updated_at
    WHERE state IN ('CREATED', 'UNKNOWN')
    """,
    """
    ALTER TABLE payments
        ADD CONSTRAINT payments_state_check CHECK (state IN ('CREATED', 'UNKNOWN', 'AUTHORIZED', 'CAPTURED',
            'DECLINED', 'VOIDED', 'PARTIALLY_REFUNDED', 'REFUNDED')),
        ADD CONSTRAINT payments_are_for_orders CHECK (
            (order_id IS NOT NULL AND amount_minor > 0 AND currency_code ~ '^[A-Z]{3}$')
            OR (state = 'VOIDED' AND order_id IS NULL AND amount_minor = 0)),
        ADD CONSTRAINT payments_held_somewhere CHECK (
            method <> 'card' OR provider_id <> '' OR (held_minor = 0 AND captured_minor = 0)),
        ADD CONSTRAINT payments_hold_or_take CHECK (held_minor = 0 OR captured_minor = 0),
        ADD CONSTRAINT payments_ask_while_open CHECK ((ask_at IS NOT NULL) = (state = 'UNKNOWN'))
    """,
    "CREATE INDEX payments_to_ask ON payments (ask_at) WHERE ask_at IS NOT NULL",
)

ATTEMPTS = (
    "ALTER TABLE attempts DROP CONSTRAINT attempts_operation_check",
    "ALTER TABLE attempts DROP CONSTRAINT attempts_state_check",
    "ALTER TABLE attempts DROP CONSTRAINT attempts_end",
    """
    ALTER TABLE attempts
        ADD CONSTRAINT attempts_operation_check
            CHECK (operation IN ('authorize', 'capture', 'void', 'refund')),
        ADD CONSTRAINT attempts_state_check
            CHECK (state IN ('CREATED', 'SENT', 'SUCCEEDED', 'DECLINED', 'UNKNOWN')),
        ADD CONSTRAINT attempts_end CHECK ((ended_at IS NULL) = (state IN ('CREATED', 'SENT')))
    """,
)

REFUNDS = (
    """
    CREATE TABLE refunds (
        payment_id uuid NOT NULL REFERENCES payments,
        id uuid NOT NULL,
        amount_minor bigint NOT NULL CHECK (amount_minor > 0),
        state text NOT NULL CHECK (state IN ('UNKNOWN', 'SUCCEEDED', 'DECLINED')),
        decline_reason text NOT NULL,
        provider_id text NOT NULL,
        created_at timestamptz NOT NULL,
        updated_at timestamptz NOT NULL,
        ask_at timestamptz,
        asks integer NOT NULL,
        PRIMARY KEY (payment_id, id),
        CONSTRAINT refunds_say_why CHECK ((decline_reason <> '') = (state = 'DECLINED')),
        CONSTRAINT refunds_ask_while_open CHECK ((ask_at IS NOT NULL) = (state = 'UNKNOWN'))
    ) WITH (fillfactor = 70)
    """,
    "CREATE INDEX refunds_to_ask ON refunds (ask_at) WHERE ask_at IS NOT NULL",
)

# The handle is made of the code, one way: whoever reads this table can spend nothing.
GIFT_CARDS = (
    """
    CREATE TABLE gift_cards (
        id uuid PRIMARY KEY,
        handle text NOT NULL UNIQUE,
        currency_code text NOT NULL CHECK (currency_code ~ '^[A-Z]{3}$'),
        issued_minor bigint NOT NULL CHECK (issued_minor > 0),
        balance_minor bigint NOT NULL CHECK (balance_minor BETWEEN 0 AND issued_minor),
        created_at timestamptz NOT NULL
    ) WITH (fillfactor = 70)
    """,
)

LEDGER = (
    """
    CREATE TABLE ledger_transactions (
        id uuid PRIMARY KEY,
        payment_id uuid REFERENCES payments,
        posted_at timestamptz NOT NULL
    )
    """,
    "CREATE INDEX ledger_of_payment ON ledger_transactions (payment_id)",
    """
    CREATE TABLE ledger_entries (
        transaction_id uuid NOT NULL REFERENCES ledger_transactions,
        line smallint NOT NULL CHECK (line > 0),
        account text NOT NULL CHECK (account IN ('held_funds', 'customer_holds', 'provider_clearing',
            'cash_drawer', 'gift_card_liability', 'gift_card_funding', 'revenue', 'refunds')),
        currency_code text NOT NULL CHECK (currency_code ~ '^[A-Z]{3}$'),
        amount_minor bigint NOT NULL CHECK (amount_minor <> 0),
        PRIMARY KEY (transaction_id, line)
    )
    """,
    # Deferred: looked at when the transaction commits, with all of its lines there.
    """
    CREATE FUNCTION ledger_must_balance() RETURNS trigger LANGUAGE plpgsql AS $$
    BEGIN
        IF EXISTS (
            SELECT FROM ledger_entries WHERE transaction_id = NEW.transaction_id
            GROUP BY currency_code HAVING sum(amount_minor) <> 0
        ) THEN
            RAISE EXCEPTION 'ledger transaction % does not add up to zero', NEW.transaction_id
                USING ERRCODE = 'check_violation', CONSTRAINT = 'ledger_entries_balance';
        END IF;
        RETURN NULL;
    END $$
    """,
    """
    CREATE CONSTRAINT TRIGGER ledger_entries_balance AFTER INSERT ON ledger_entries
    DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION ledger_must_balance()
    """,
    """
    CREATE FUNCTION ledger_is_append_only() RETURNS trigger LANGUAGE plpgsql AS $$
    BEGIN
        RAISE EXCEPTION 'the ledger is append-only: correct it by another transaction'
            USING ERRCODE = 'restrict_violation', CONSTRAINT = 'ledger_is_append_only';
    END $$
    """,
    """
    CREATE TRIGGER ledger_is_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON ledger_entries
    FOR EACH STATEMENT EXECUTE FUNCTION ledger_is_append_only()
    """,
    """
    CREATE TRIGGER ledger_is_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON ledger_transactions
    FOR EACH STATEMENT EXECUTE FUNCTION ledger_is_append_only()
    """,
    # What was held and taken before there was a ledger.
    """
    INSERT INTO ledger_transactions (id, payment_id, posted_at)
    SELECT gen_random_uuid(), id, now() FROM payments WHERE held_minor > 0 OR captured_minor > 0
    """,
    """
    INSERT INTO ledger_entries (transaction_id, line, account, currency_code, amount_minor)
    SELECT t.id, l.line, l.account, p.currency_code, l.amount
    FROM ledger_transactions t JOIN payments p ON p.id = t.payment_id
    CROSS JOIN LATERAL (VALUES
        (1, 'held_funds', p.held_minor), (2, 'customer_holds', -p.held_minor),
        (3, 'provider_clearing', p.captured_minor), (4, 'revenue', -p.captured_minor)
    ) AS l (line, account, amount)
    WHERE l.amount <> 0
    """,
)

# What was told is kept by the provider's name for it: told again, it is not new.
NEWS = (
    "CREATE TABLE provider_news (event_id text PRIMARY KEY, heard_at timestamptz NOT NULL)",
    "CREATE INDEX provider_news_by_age ON provider_news (heard_at)",
)


def upgrade() -> None:
    for statement in (*PAYMENTS, *ATTEMPTS, *REFUNDS, *GIFT_CARDS, *LEDGER, *NEWS, *OUTBOX):
        op.execute(statement)


def downgrade() -> None:
    raise NotImplementedError("refunds, gift cards and the ledger cannot be unlearned")
