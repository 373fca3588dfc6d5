"""Idempotency keys as Stripe keeps them, seen on the wire."""

import asyncio
from typing import Any

import httpx
import pytest
import stripe

AUTHORIZATION = {"Authorization": "Bearer sk_test_contract"}
FORM = {"amount": "1000", "currency": "eur", "confirm": "true", "capture_method": "manual"}
GOOD = {**FORM, "payment_method": "pm_card_visa"}


async def post(sandbox: Any, form: dict[str, str], key: str) -> httpx.Response:
    headers = {**AUTHORIZATION, "Idempotency-Key": key}
    answer: httpx.Response = await sandbox.http.post("/v1/payment_intents", data=form, headers=headers)
    return answer


async def test_a_repeated_key_is_answered_with_what_was_kept(sandbox: Any) -> None:
    first = await post(sandbox, GOOD, "k1")
    again = await post(sandbox, GOOD, "k1")

    assert again.json() == first.json()
    assert "Idempotent-Replayed" not in first.headers
    assert again.headers["Idempotent-Replayed"] == "true"
    assert again.headers["Original-Request"] == first.headers["Request-Id"] != again.headers["Request-Id"]
    assert await sandbox.movements() == [("authorised", 1000)]


async def test_without_a_key_a_repeated_call_charges_twice(sandbox: Any) -> None:
    """The negative control of the test above."""
    for _ in range(2):
        await sandbox.http.post("/v1/payment_intents", data=GOOD, headers=AUTHORIZATION)

    assert await sandbox.movements() == [("authorised", 1000)] * 2


async def test_a_decline_is_replayed(sandbox: Any) -> None:
    form = {**FORM, "payment_method": "pm_card_visa_chargeDeclined"}

    first = await post(sandbox, form, "k1")
    again = await post(sandbox, form, "k1")

    assert (first.status_code, again.status_code) == (402, 402)
    assert again.json() == first.json()
    assert again.headers["Idempotent-Replayed"] == "true"


async def test_a_key_used_for_other_parameters_is_refused(sandbox: Any) -> None:
    await sandbox.hold(key="k1")

    with pytest.raises(stripe.IdempotencyError) as refused:
        await sandbox.hold(key="k1", amount=2000)

    assert refused.value.http_status == 400
    assert await sandbox.movements() == [("authorised", 1000)]


async def test_a_key_used_for_another_endpoint_is_refused(sandbox: Any) -> None:
    intent = await sandbox.hold(key="k1")

    with pytest.raises(stripe.IdempotencyError):
        await sandbox.intents.capture_async(intent.id, {}, {"idempotency_key": "k1"})


async def test_what_fails_validation_is_not_kept(sandbox: Any) -> None:
    refused = await post(sandbox, {**GOOD, "amount": "none"}, "k1")
    mended = await post(sandbox, GOOD, "k1")

    assert (refused.status_code, mended.status_code) == (400, 200)


async def test_a_key_in_use_is_409_and_nothing_happens_twice(sandbox: Any) -> None:
    await sandbox.switch_on(kind="latency", count=1, seconds=0.3)

    answers = await asyncio.gather(post(sandbox, GOOD, "k1"), post(sandbox, GOOD, "k1"))

    assert sorted(answer.status_code for answer in answers) == [200, 409]
    busy = next(answer for answer in answers if answer.status_code == 409)
    assert busy.json()["error"]["code"] == "idempotency_key_in_use"
    assert await sandbox.movements() == [("authorised", 1000)]


async def test_a_key_of_more_than_255_characters_is_refused(sandbox: Any) -> None:
    assert (await post(sandbox, GOOD, "k" * 256)).status_code == 400
    assert (await post(sandbox, GOOD, "k" * 255)).status_code == 200
