"""Cash, gift cards, and orders that are paid by several of them."""

import asyncio

import pytest

from servicekit.clock import uuid7
from servicekit.errors import IdempotencyKeyReused, InvalidArgument
from services.payments.errors import PaymentMismatch
from services.payments.model import Method, Money, OrderId, Payment, PaymentState
from services.payments.store.memory import MemoryStore
from tests.services.payments.fakes import SECRET, TEN_EUROS, VISA, Shop

ORDER = OrderId("019ab1c2-0000-7000-8000-000000000001")


async def code_worth(shop: Shop[MemoryStore], amount: Money = TEN_EUROS) -> str:
    return (await shop.gift_cards.issue(amount, subject="mia", key=uuid7())).code


async def by_gift_card(shop: Shop[MemoryStore], code: str, minor_units: int, order: str = "") -> Payment:
    amount = Money("EUR", minor_units)
    return await shop.payments.authorize(order or uuid7(), amount, code, method=Method.GIFT_CARD)


async def test_cash_is_held_taken_and_given_back_without_a_provider(shop: Shop[MemoryStore]) -> None:
    held = await shop.payments.authorize(ORDER, TEN_EUROS, "", method=Method.CASH)
    taken = await shop.payments.capture(held.id, Money("EUR", 900))
    back = await shop.refunds.refund(held.id, uuid7(), Money("EUR", 100))

    assert (held.state, taken.captured_minor, back.refunded_minor) == (PaymentState.AUTHORIZED, 900, 100)
    assert shop.provider.asked == 0
    assert await shop.bookkeeping.compare() == []


async def test_a_gift_card_pays_what_is_on_it_and_no_more(shop: Shop[MemoryStore]) -> None:
    code = await code_worth(shop)

    held = await by_gift_card(shop, code.lower().replace("-", " "), 700)
    too_much = await by_gift_card(shop, code, 301)
    rest = await by_gift_card(shop, code, 300)

    assert [each.state for each in (held, too_much, rest)] == ["AUTHORIZED", "DECLINED", "AUTHORIZED"]
    assert too_much.decline_reason == "insufficient_funds"
    assert await shop.bookkeeping.compare() == []


async def test_buyers_at_once_spend_a_gift_card_once(shop: Shop[MemoryStore]) -> None:
    code = await code_worth(shop)

    payments = await asyncio.gather(*(by_gift_card(shop, code, 400) for _ in range(5)))

    assert sum(payment.state is PaymentState.AUTHORIZED for payment in payments) == 2


async def test_a_gift_card_gets_back_what_is_voided_not_taken_or_given_back(shop: Shop[MemoryStore]) -> None:
    code = await code_worth(shop)
    voided = await by_gift_card(shop, code, 1000)
    await shop.payments.void(voided.id)
    part = await by_gift_card(shop, code, 1000)
    await shop.payments.capture(part.id, Money("EUR", 600))
    await shop.refunds.refund(part.id, uuid7(), Money("EUR", 100))

    rest = await by_gift_card(shop, code, 500)

    assert rest.state is PaymentState.AUTHORIZED
    assert (await by_gift_card(shop, code, 1)).state is PaymentState.DECLINED
    assert await shop.bookkeeping.compare() == []


@pytest.mark.parametrize(
    ("amount", "spoil", "reason"),
    [(Money("EUR", 1), "X", "unknown_gift_card"), (Money("USD", 1), "", "currency_mismatch")],
)
async def test_what_a_gift_card_cannot_pay_is_declined_with_a_reason(
    shop: Shop[MemoryStore], amount: Money, spoil: str, reason: str
) -> None:
    code = await code_worth(shop) + spoil

    declined = await shop.payments.authorize(ORDER, amount, code, method=Method.GIFT_CARD)

    assert (declined.state, declined.decline_reason) == (PaymentState.DECLINED, reason)


async def test_a_code_is_kept_nowhere(shop: Shop[MemoryStore]) -> None:
    code = await code_worth(shop)

    payment = await by_gift_card(shop, code, 1)

    assert code.replace("-", "") not in f"{payment} {vars(shop.store)}".replace("-", "")
    assert SECRET.decode() not in f"{payment}"


async def test_repeating_an_issue_tells_the_same_code_and_issues_once(shop: Shop[MemoryStore]) -> None:
    first = await shop.gift_cards.issue(TEN_EUROS, subject="mia", key="k1")
    again = await shop.gift_cards.issue(TEN_EUROS, subject="mia", key="k1")
    other = await shop.gift_cards.issue(TEN_EUROS, subject="ada", key="k1")

    assert again == first
    assert other.code != first.code
    assert await shop.store.gift_card_money() == {"EUR": 2000}
    assert await shop.bookkeeping.compare() == []
    with pytest.raises(IdempotencyKeyReused):
        await shop.gift_cards.issue(Money("EUR", 1), subject="mia", key="k1")


@pytest.mark.parametrize("amount", [Money("EUR", 0), Money("EUR", 2**63), Money("euro", 1)])
async def test_a_gift_card_of_no_amount_is_not_issued(shop: Shop[MemoryStore], amount: Money) -> None:
    with pytest.raises(InvalidArgument):
        await shop.gift_cards.issue(amount, subject="mia", key="k1")


async def test_an_order_is_paid_in_shares(shop: Shop[MemoryStore]) -> None:
    code = await code_worth(shop)
    shares = [
        await shop.payments.authorize(ORDER, Money("EUR", 500), VISA, share=0),
        await shop.payments.authorize(ORDER, Money("EUR", 300), code, method=Method.GIFT_CARD, share=1),
        await shop.payments.authorize(ORDER, Money("EUR", 200), "", method=Method.CASH, share=2),
    ]

    taken = [await shop.payments.capture(share.id) for share in shares]

    assert [each.captured_minor for each in taken] == [500, 300, 200]
    assert len({each.id for each in taken}) == 3
    with pytest.raises(PaymentMismatch):
        await shop.payments.authorize(ORDER, Money("EUR", 300), VISA, share=1)
    assert await shop.bookkeeping.compare() == []


@pytest.mark.parametrize(
    ("method", "handle", "share"),
    [(Method.CASH, VISA, 0), (Method.GIFT_CARD, "", 0), (Method.CARD, VISA, 20), (Method.CARD, VISA, -1)],
)
async def test_a_share_that_makes_no_sense_is_refused(
    shop: Shop[MemoryStore], method: Method, handle: str, share: int
) -> None:
    with pytest.raises(InvalidArgument):
        await shop.payments.authorize(ORDER, TEN_EUROS, handle, method=method, share=share)
