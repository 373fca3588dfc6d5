"""The faults: each does what it says, and no more often than it says."""

import asyncio
import time
from typing import Any

import httpx
import pytest
import stripe


async def test_a_dropped_call_has_happened(sandbox: Any) -> None:
    await sandbox.switch_on(kind="drop_after_commit", count=1)

    with pytest.raises(stripe.APIConnectionError):
        await sandbox.hold(key="k1")
    assert await sandbox.movements() == [("authorised", 1000)]

    again = await sandbox.hold(key="k1")
    assert again.status == "requires_capture"
    assert await sandbox.movements() == [("authorised", 1000)]


async def test_an_error_after_the_commit_is_replayed_though_the_money_is_held(sandbox: Any) -> None:
    await sandbox.switch_on(kind="error_after_commit", count=1)

    with pytest.raises(stripe.APIError) as failed:
        await sandbox.hold(key="k1")
    with pytest.raises(stripe.APIError) as again:
        await sandbox.hold(key="k1")

    assert (failed.value.http_status, again.value.http_status) == (500, 500)
    assert again.value.headers["Idempotent-Replayed"] == "true"  # type: ignore[index]
    assert await sandbox.movements() == [("authorised", 1000)]


async def test_an_error_before_the_commit_is_replayed_and_nothing_is_held(sandbox: Any) -> None:
    await sandbox.switch_on(kind="error_before_commit", count=1)

    for _ in range(2):
        with pytest.raises(stripe.APIError):
            await sandbox.hold(key="k1")

    assert await sandbox.movements() == []
    assert (await sandbox.hold(key="k2")).status == "requires_capture"


async def test_a_rate_limited_call_is_not_kept_under_its_key(sandbox: Any) -> None:
    await sandbox.switch_on(kind="rate_limited", count=1, retry_after_seconds=7)

    with pytest.raises(stripe.RateLimitError) as limited:
        await sandbox.hold(key="k1")

    assert limited.value.headers["Retry-After"] == "7"  # type: ignore[index]
    assert (await sandbox.hold(key="k1")).status == "requires_capture"


async def test_a_late_call_happens_though_nobody_waits_for_it(sandbox: Any) -> None:
    await sandbox.switch_on(kind="latency", count=1, seconds=0.2)

    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.1):
            await sandbox.hold(key="k1")
    assert await sandbox.movements() == []

    await asyncio.sleep(0.2)
    assert await sandbox.movements() == [("authorised", 1000)]


async def test_latency_is_as_long_as_it_says(sandbox: Any) -> None:
    await sandbox.switch_on(kind="latency", probability=1, seconds=0.15)

    started = time.monotonic()
    await sandbox.hold()

    assert time.monotonic() - started >= 0.15


async def test_a_lagging_index_does_not_find_what_is_new(sandbox: Any) -> None:
    query = {"query": "metadata['order_id']:'order-1'"}
    await sandbox.hold()
    await sandbox.switch_on(kind="search_lag", count=1, seconds=60)

    lagging = await sandbox.intents.search_async(query)
    caught_up = await sandbox.intents.search_async(query)

    assert (len(lagging.data), len(caught_up.data)) == (0, 1)


async def test_a_fault_strikes_the_operation_it_names(sandbox: Any) -> None:
    await sandbox.switch_on(kind="error_before_commit", operation="payment_intents.capture", probability=1)

    intent = await sandbox.hold()
    with pytest.raises(stripe.APIError):
        await sandbox.intents.capture_async(intent.id)

    assert (await sandbox.intents.retrieve_async(intent.id)).status == "requires_capture"


async def test_the_same_seed_strikes_the_same_calls(sandbox: Any) -> None:
    async def struck() -> list[int]:
        await sandbox.http.delete("/sandbox/stripe/faults")
        await sandbox.switch_on(kind="rate_limited", probability=0.5, seed=7)
        headers = {"Authorization": "Bearer sk_test_contract"}
        answers = [await sandbox.http.get("/v1/events", headers=headers) for _ in range(20)]
        return [answer.status_code for answer in answers]

    first, again = await struck(), await struck()

    assert first == again
    assert set(first) == {200, 429}


async def test_clearing_switches_every_fault_off(sandbox: Any) -> None:
    await sandbox.switch_on(kind="error_before_commit", probability=1)

    cleared = await sandbox.http.delete("/sandbox/stripe/faults")

    assert cleared.status_code == 204
    assert (await sandbox.http.get("/sandbox/stripe/faults")).json() == {"faults": []}
    assert (await sandbox.hold()).status == "requires_capture"


async def test_faults_show_how_often_they_struck(sandbox: Any) -> None:
    made = (await sandbox.switch_on(kind="rate_limited", count=3)).json()

    with pytest.raises(stripe.RateLimitError):
        await sandbox.hold()

    (shown,) = (await sandbox.http.get("/sandbox/stripe/faults")).json()["faults"]
    assert shown == {**made, "count": 2, "struck": 1}


@pytest.mark.parametrize(
    ("fault", "fields"),
    [
        ({}, ["kind"]),
        ({"kind": "earthquake", "count": 1}, ["kind"]),
        ({"kind": ["latency"], "count": True, "probability": 2}, ["kind", "probability", "count"]),
        ({"kind": "rate_limited"}, ["count"]),
        ({"kind": "rate_limited", "count": 0}, ["count"]),
        ({"kind": "latency", "count": 1}, ["seconds"]),
        ({"kind": "latency", "count": 1, "seconds": -1}, ["seconds"]),
        ({"kind": "rate_limited", "count": 1, "seconds": 1}, ["seconds"]),
        ({"kind": "latency", "count": 1, "seconds": 1, "retry_after_seconds": 1}, ["retry_after_seconds"]),
        ({"kind": "rate_limited", "count": 1, "operation": "payouts.create"}, ["operation"]),
        ({"kind": "rate_limited", "count": 1, "seed": "x", "often": True}, ["often", "seed"]),
        ([], [""]),
    ],
)
async def test_a_bad_fault_is_400_and_names_all_that_is_wrong(
    sandbox: Any, fault: object, fields: list[str]
) -> None:
    refused: httpx.Response = await sandbox.http.post("/sandbox/stripe/faults", json=fault)

    assert refused.status_code == 400
    assert [error["field"] for error in refused.json()["errors"]] == fields
    assert (await sandbox.http.get("/sandbox/stripe/faults")).json() == {"faults": []}


async def test_a_fault_that_is_not_json_is_400(sandbox: Any) -> None:
    refused = await sandbox.http.post("/sandbox/stripe/faults", content=b"\xff{")

    assert refused.status_code == 400
