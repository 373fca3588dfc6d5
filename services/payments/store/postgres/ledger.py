"""Statements on gift cards and on the books."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from servicekit.postgres import Query, Record
from services.payments.model import GiftCard, GiftCardId, Money, PaymentId, Standing

POST: Final = Query(
    "ledger.post",
    """
    WITH posted AS (
        INSERT INTO ledger_transactions (id, payment_id, posted_at) VALUES ($1, $2, $3) RETURNING id
    )
    INSERT INTO ledger_entries (transaction_id, line, account, currency_code, amount_minor)
    SELECT posted.id, entry.line, entry.account, $4, entry.minor_units
    FROM posted, unnest($5::text[], $6::bigint[]) WITH ORDINALITY AS entry (account, minor_units, line)
    """,
)
UNBALANCED: Final = Query(
    "ledger.unbalanced",
    """
    SELECT DISTINCT transaction_id FROM ledger_entries
    GROUP BY transaction_id, currency_code HAVING sum(amount_minor) <> 0
    """,
)
STANDINGS: Final = Query(
    "payments.standings",
    """
    SELECT id, held_minor AS held, captured_minor AS captured, refunded_minor AS refunded FROM payments
    WHERE held_minor <> 0 OR captured_minor <> 0
    """,
)
# An account that is empty again is no standing: a hold that was let go of.
STANDINGS_BY_THE_BOOKS: Final = Query(
    "ledger.standings",
    """
    SELECT payment_id AS id,
        coalesce(sum(amount_minor) FILTER (WHERE account = 'held_funds'), 0)::bigint AS held,
        coalesce(-sum(amount_minor) FILTER (WHERE account = 'revenue'), 0)::bigint AS captured,
        coalesce(sum(amount_minor) FILTER (WHERE account = 'refunds'), 0)::bigint AS refunded
    FROM ledger_transactions JOIN ledger_entries ON transaction_id = id
    WHERE payment_id IS NOT NULL
    GROUP BY payment_id
    HAVING count(*) FILTER (WHERE account = 'revenue') > 0
        OR sum(amount_minor) FILTER (WHERE account = 'held_funds') <> 0
    """,
)
GIFT_CARD_MONEY: Final = Query(
    "gift_cards.money",
    """
    SELECT currency_code, sum(minor)::bigint AS minor FROM (
        SELECT currency_code, balance_minor AS minor FROM gift_cards
        UNION ALL
        SELECT currency_code, held_minor FROM payments WHERE method = 'gift_card' AND held_minor > 0
    ) AS parts
    GROUP BY currency_code HAVING sum(minor) <> 0
    """,
)
GIFT_CARD_MONEY_BY_THE_BOOKS: Final = Query(
    "ledger.gift_card_money",
    """
    SELECT currency_code, -sum(amount_minor)::bigint AS minor FROM ledger_entries
    WHERE account = 'gift_card_liability'
    GROUP BY currency_code HAVING sum(amount_minor) <> 0
    """,
)

INSERT_GIFT_CARD: Final = Query(
    "gift_cards.insert",
    """
    INSERT INTO gift_cards (id, handle, currency_code, issued_minor, balance_minor, created_at)
    VALUES ($1, $2, $3, $4, $5, $6)
    ON CONFLICT (id) DO NOTHING
    """,
)
FIND_GIFT_CARD: Final = Query("gift_cards.find", "SELECT * FROM gift_cards WHERE id = $1")
FIND_BY_HANDLE: Final = Query("gift_cards.find_by_handle", "SELECT * FROM gift_cards WHERE handle = $1")
DRAW: Final = Query(
    "gift_cards.draw",
    """
    UPDATE gift_cards SET balance_minor = balance_minor - $3
    WHERE handle = $1 AND currency_code = $2 AND balance_minor >= $3
    """,
)
PUT_BACK: Final = Query(
    "gift_cards.put_back", "UPDATE gift_cards SET balance_minor = balance_minor + $2 WHERE handle = $1"
)


def gift_card_of(record: Record) -> GiftCard:
    """The gift card of a row."""
    return GiftCard(
        id=GiftCardId(record["id"]),
        handle=record["handle"],
        issued=Money(record["currency_code"], record["issued_minor"]),
        balance_minor=record["balance_minor"],
        created_at=record["created_at"],
    )


def standings_of(records: Iterable[Record]) -> dict[PaymentId, Standing]:
    """By payment."""
    return {PaymentId(row["id"]): Standing(row["held"], row["captured"], row["refunded"]) for row in records}
