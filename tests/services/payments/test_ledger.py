"""What PostgreSQL itself refuses, whoever writes: books that do not balance, and books that change."""

from datetime import UTC, datetime

import asyncpg
import pytest

from servicekit.clock import uuid7
from servicekit.postgres import Query
from services.payments.model import Account, Entry, Money, Posting
from tests.services.payments.fakes import TEN_EUROS, FakeProvider
from tests.services.payments.real import Open, RealShop

NOW = datetime(2026, 11, 23, tzinfo=UTC)


@pytest.fixture
def shop(open_database: Open) -> RealShop:
    return RealShop(open_database("services.payments"), FakeProvider())


async def test_what_does_not_add_up_to_zero_is_not_committed(shop: RealShop) -> None:
    uneven = Posting(None, "EUR", (Entry(Account.GIFT_CARD_FUNDING, 100), Entry(Account.REVENUE, -99)))

    with pytest.raises(asyncpg.CheckViolationError, match="does not add up to zero"):
        async with shop.store.transaction() as unit:
            await unit.post(uneven, NOW)

    assert await shop.store.gift_card_money_by_the_books() == {}


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE ledger_entries SET amount_minor = amount_minor * 2",
        "DELETE FROM ledger_entries",
        "DELETE FROM ledger_transactions",
        "TRUNCATE ledger_entries",
    ],
)
async def test_the_books_are_only_added_to(open_database: Open, statement: str) -> None:
    database = open_database("services.payments")
    shop = RealShop(database, FakeProvider())
    await shop.gift_cards.issue(TEN_EUROS, subject="mia", key="k1")

    with pytest.raises(asyncpg.RestrictViolationError, match="append-only"):
        await database.execute(Query("test.spoil", statement))

    assert await shop.bookkeeping.compare() == []


async def test_a_row_that_was_changed_past_us_shows(open_database: Open) -> None:
    database = open_database("services.payments")
    shop = RealShop(database, FakeProvider())
    issued = await shop.gift_cards.issue(TEN_EUROS, subject="mia", key="k1")
    await database.execute(Query("test.steal", "UPDATE gift_cards SET balance_minor = 1"))

    (found,) = await shop.bookkeeping.compare()

    assert (found.of, found.kept, found.booked) == ("EUR", 1, 1000)
    assert issued.card.balance_minor == 1000


async def test_two_currencies_are_two_sums(shop: RealShop) -> None:
    await shop.gift_cards.issue(Money("EUR", 100), subject="mia", key=uuid7())
    await shop.gift_cards.issue(Money("USD", 200), subject="mia", key=uuid7())

    assert await shop.store.gift_card_money_by_the_books() == {"EUR": 100, "USD": 200}
    assert await shop.bookkeeping.compare() == []
