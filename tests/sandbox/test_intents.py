"""The PaymentIntents contract, asked through Stripe's own library."""

from typing import Any

import pytest
import stripe


async def test_a_manual_intent_holds_and_then_takes(sandbox: Any) -> None:
    intent = await sandbox.hold()

    assert (intent.status, intent.amount_capturable) == ("requires_capture", 1000)
    taken = await sandbox.intents.capture_async(intent.id)
    assert (taken.status, taken.amount_received) == ("succeeded", 1000)
    assert await sandbox.movements() == [("authorised", 1000), ("captured", 1000)]


async def test_an_automatic_intent_takes_at_once(sandbox: Any) -> None:
    intent = await sandbox.hold(capture_method="automatic")

    assert intent.status == "succeeded"
    assert await sandbox.movements() == [("authorised", 1000), ("captured", 1000)]


async def test_a_partial_capture_lets_the_rest_go(sandbox: Any) -> None:
    intent = await sandbox.hold()

    taken = await sandbox.intents.capture_async(intent.id, {"amount_to_capture": 600})

    assert (taken.status, taken.amount_received, taken.amount_capturable) == ("succeeded", 600, 0)
    assert await sandbox.movements() == [("authorised", 1000), ("captured", 600), ("cancelled", 400)]


async def test_an_intent_is_confirmed_in_a_second_step(sandbox: Any) -> None:
    intent = await sandbox.hold(confirm=False)
    assert intent.status == "requires_confirmation"

    confirmed = await sandbox.intents.confirm_async(intent.id)

    assert confirmed.status == "requires_capture"


async def test_a_cancelled_intent_holds_nothing(sandbox: Any) -> None:
    intent = await sandbox.hold()

    cancelled = await sandbox.intents.cancel_async(intent.id, {"cancellation_reason": "abandoned"})

    assert (cancelled.status, cancelled.amount_capturable) == ("canceled", 0)
    assert await sandbox.movements() == [("authorised", 1000), ("cancelled", 1000)]


@pytest.mark.parametrize(
    ("payment_method", "code", "decline_code"),
    [
        ("pm_card_visa_chargeDeclined", "card_declined", "generic_decline"),
        ("pm_card_visa_chargeDeclinedInsufficientFunds", "card_declined", "insufficient_funds"),
        ("pm_card_visa_chargeDeclinedLostCard", "card_declined", "lost_card"),
        ("pm_card_visa_chargeDeclinedStolenCard", "card_declined", "stolen_card"),
        ("pm_card_chargeDeclinedExpiredCard", "expired_card", None),
        ("pm_card_chargeDeclinedIncorrectCvc", "incorrect_cvc", None),
        ("pm_card_chargeDeclinedProcessingError", "processing_error", None),
    ],
)
async def test_a_refused_card_is_402_with_the_intent_attached(
    sandbox: Any, payment_method: str, code: str, decline_code: str | None
) -> None:
    with pytest.raises(stripe.CardError) as refused:
        await sandbox.hold(payment_method=payment_method)

    error = refused.value.json_body["error"]  # type: ignore[index]
    assert (refused.value.http_status, error["code"], error.get("decline_code")) == (402, code, decline_code)
    kept = await sandbox.intents.retrieve_async(error["payment_intent"]["id"])
    assert kept.status == "requires_payment_method"
    assert kept.last_payment_error.code == code
    assert await sandbox.movements() == []


async def test_a_refused_intent_can_be_confirmed_with_another_card(sandbox: Any) -> None:
    with pytest.raises(stripe.CardError) as refused:
        await sandbox.hold(payment_method="pm_card_visa_chargeDeclined")
    intent = refused.value.json_body["error"]["payment_intent"]["id"]  # type: ignore[index]

    confirmed = await sandbox.intents.confirm_async(intent, {"payment_method": "pm_card_mastercard"})

    assert confirmed.status == "requires_capture"


async def test_a_card_that_wants_authentication_is_refused_where_nobody_can_give_it(sandbox: Any) -> None:
    with pytest.raises(stripe.CardError, match="requires authentication"):
        await sandbox.hold(payment_method="pm_card_authenticationRequired", error_on_requires_action=True)

    waiting = await sandbox.hold(payment_method="pm_card_authenticationRequired")
    assert waiting.status == "requires_action"


@pytest.mark.parametrize(
    ("change", "code", "param"),
    [
        ({"amount": 49}, "amount_too_small", "amount"),
        ({"amount": 100_000_000}, "amount_too_large", "amount"),
        ({"amount": "12.5"}, "parameter_invalid_integer", "amount"),
        ({"amount": -5}, "parameter_invalid_integer", "amount"),
        ({"currency": "euro"}, None, "currency"),
        ({"payment_method": "pm_unheard_of"}, "resource_missing", "payment_method"),
        (
            {"payment_method_types": ["card"]},
            "payment_method_types_no_longer_supported",
            "payment_method_types",
        ),
        ({"allowed_payment_method_types": ["sofa"]}, None, "allowed_payment_method_types"),
        ({"colour": "red"}, "parameter_unknown", "colour"),
        ({"capture_method": "never"}, None, "capture_method"),
        ({"description": ""}, "parameter_invalid_empty", "description"),
        ({"metadata": {"k" * 41: "v"}}, None, f"metadata[{'k' * 41}]"),
    ],
)
async def test_a_wrong_parameter_is_400_and_named(
    sandbox: Any, change: dict[str, Any], code: str | None, param: str
) -> None:
    with pytest.raises(stripe.InvalidRequestError) as refused:
        await sandbox.hold(**change)

    assert (refused.value.http_status, refused.value.code, refused.value.param) == (400, code, param)
    assert (await sandbox.intents.list_async()).data == []


async def test_a_missing_parameter_is_named(sandbox: Any) -> None:
    with pytest.raises(stripe.InvalidRequestError) as refused:
        await sandbox.intents.create_async({"currency": "eur"})

    assert (refused.value.code, refused.value.param) == ("parameter_missing", "amount")


async def test_an_unknown_intent_is_404(sandbox: Any) -> None:
    with pytest.raises(stripe.InvalidRequestError) as refused:
        await sandbox.intents.retrieve_async("pi_none")

    assert (refused.value.http_status, refused.value.code) == (404, "resource_missing")


async def test_what_is_taken_cannot_be_taken_or_cancelled_again(sandbox: Any) -> None:
    intent = await sandbox.hold(capture_method="automatic")

    for ask in (sandbox.intents.capture_async, sandbox.intents.cancel_async, sandbox.intents.confirm_async):
        with pytest.raises(stripe.InvalidRequestError) as refused:
            await ask(intent.id)
        assert refused.value.code == "payment_intent_unexpected_state"
        assert refused.value.json_body["error"]["payment_intent"]["status"] == "succeeded"  # type: ignore[index]


async def test_no_more_can_be_taken_than_is_held(sandbox: Any) -> None:
    intent = await sandbox.hold()

    with pytest.raises(stripe.InvalidRequestError) as refused:
        await sandbox.intents.capture_async(intent.id, {"amount_to_capture": 1001})

    assert (refused.value.code, refused.value.param) == ("amount_too_large", "amount_to_capture")
    assert await sandbox.movements() == [("authorised", 1000)]


async def test_intents_are_listed_newest_first_in_pages(sandbox: Any) -> None:
    made = [(await sandbox.hold(f"order-{n}")).id for n in range(5)]

    first = await sandbox.intents.list_async({"limit": 2})
    rest = await sandbox.intents.list_async({"limit": 3, "starting_after": first.data[-1].id})

    assert [intent.id for intent in [*first.data, *rest.data]] == made[::-1]
    assert (first.has_more, rest.has_more) == (True, False)


async def test_intents_are_listed_by_the_time_they_were_made(sandbox: Any) -> None:
    intent = await sandbox.hold()

    since = await sandbox.intents.list_async({"created": {"gte": intent.created}})
    later = await sandbox.intents.list_async({"created": {"gt": intent.created + 1}})

    assert [each.id for each in since.data] == [intent.id]
    assert later.data == []


async def test_intents_are_found_by_their_metadata(sandbox: Any) -> None:
    wanted = await sandbox.hold("order-7")
    await sandbox.hold("order-8")

    found = await sandbox.intents.search_async({"query": "metadata['order_id']:'order-7'"})

    assert [intent.id for intent in found.data] == [wanted.id]
