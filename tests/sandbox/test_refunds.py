"""The Refunds contract, asked through Stripe's own library."""

from typing import Any

import pytest
import stripe


async def test_money_is_given_back_in_parts_up_to_what_was_taken(sandbox: Any) -> None:
    intent = await sandbox.hold(capture_method="automatic")

    part = await sandbox.stripe.v1.refunds.create_async({"payment_intent": intent.id, "amount": 300})
    rest = await sandbox.stripe.v1.refunds.create_async({"payment_intent": intent.id})

    assert (part.amount, rest.amount, rest.status) == (300, 700, "succeeded")
    assert (await sandbox.stripe.v1.refunds.retrieve_async(part.id)).amount == 300
    assert await sandbox.movements(movement="refunded") == [("refunded", 300), ("refunded", 700)]


async def test_no_more_is_given_back_than_was_taken(sandbox: Any) -> None:
    intent = await sandbox.hold(capture_method="automatic")
    refunds = sandbox.stripe.v1.refunds

    with pytest.raises(stripe.InvalidRequestError, match="greater than unrefunded amount"):
        await refunds.create_async({"payment_intent": intent.id, "amount": 1001})
    await refunds.create_async({"payment_intent": intent.id})
    with pytest.raises(stripe.InvalidRequestError) as refused:
        await refunds.create_async({"payment_intent": intent.id})

    assert refused.value.code == "charge_already_refunded"
    assert await sandbox.movements(movement="refunded") == [("refunded", 1000)]


async def test_what_was_never_taken_cannot_be_given_back(sandbox: Any) -> None:
    intent = await sandbox.hold()

    with pytest.raises(stripe.InvalidRequestError, match="does not have a successful charge"):
        await sandbox.stripe.v1.refunds.create_async({"payment_intent": intent.id})
