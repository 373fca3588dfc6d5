"""What holds for every call: keys, headers, unknown paths, the ledger's filters."""

import base64
from typing import Any

import pytest
import stripe

GOOD = "Bearer sk_test_contract"


@pytest.mark.parametrize(
    "authorization",
    [
        "",
        "Bearer",
        "Bearer sk_live_real",
        "Bearer pk_test_public",
        "Basic !!!",
        "Basic " + base64.b64encode(b"nobody:").decode(),
    ],
)
async def test_a_call_without_a_secret_test_key_is_401(sandbox: Any, authorization: str) -> None:
    answer = await sandbox.http.get("/v1/events", headers={"Authorization": authorization})

    assert answer.status_code == 401
    assert answer.json()["error"]["type"] == "invalid_request_error"


async def test_the_key_may_be_the_user_of_basic_credentials(sandbox: Any) -> None:
    answer = await sandbox.http.get("/v1/events", auth=("sk_test_contract", ""))

    assert answer.status_code == 200


async def test_stripes_library_sees_a_bad_key_as_an_authentication_error(sandbox: Any) -> None:
    with pytest.raises(stripe.AuthenticationError):
        await sandbox.intents.list_async({}, {"api_key": "sk_live_real"})


async def test_every_answer_names_its_request_and_its_version(sandbox: Any) -> None:
    headers = {"Authorization": GOOD, "Stripe-Version": "2026-10-28.endive"}

    for path in ("/v1/events", "/v1/nothing"):
        answer = await sandbox.http.get(path, headers=headers)
        assert answer.headers["Request-Id"].startswith("req_")
        assert answer.headers["Stripe-Version"] == "2026-10-28.endive"


@pytest.mark.parametrize(("method", "path"), [("GET", "/v1/payouts"), ("DELETE", "/v1/events")])
async def test_an_unknown_path_or_method_is_stripes_own_404(sandbox: Any, method: str, path: str) -> None:
    answer = await sandbox.http.request(method, path, headers={"Authorization": GOOD})

    assert answer.status_code == 404
    assert answer.json()["error"]["message"].startswith(f"Unrecognized request URL ({method}: {path})")


@pytest.mark.parametrize(
    ("content_type", "body"),
    [("application/json", b'{"amount": 1}'), ("application/x-www-form-urlencoded", b"amount=%ff&a[b=1")],
)
async def test_a_body_that_is_no_form_is_400(sandbox: Any, content_type: str, body: bytes) -> None:
    headers = {"Authorization": GOOD, "Content-Type": content_type}

    answer = await sandbox.http.post("/v1/payment_intents", content=body, headers=headers)

    assert answer.status_code == 400


async def test_the_ledger_names_the_order_the_key_and_the_trace(sandbox: Any) -> None:
    trace = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
    form = {
        "amount": "1000",
        "currency": "eur",
        "confirm": "true",
        "payment_method": "pm_card_visa",
        "capture_method": "manual",
        "metadata[order_id]": "order-9",
    }
    headers = {"Authorization": GOOD, "Idempotency-Key": "k9", "traceparent": trace}
    intent = (await sandbox.http.post("/v1/payment_intents", data=form, headers=headers)).json()

    (entry,) = (await sandbox.http.get("/sandbox/stripe/ledger?order_id=order-9")).json()["entries"]

    assert entry["payment_intent"] == intent["id"]
    assert (entry["idempotency_key"], entry["traceparent"]) == ("k9", trace)
    assert await sandbox.movements(payment_intent=intent["id"], movement="captured") == []


async def test_an_unknown_ledger_filter_is_refused_rather_than_ignored(sandbox: Any) -> None:
    answer = await sandbox.http.get("/sandbox/stripe/ledger?order=1")

    assert answer.status_code == 400
    assert answer.json()["errors"][0]["field"] == "order"


async def test_the_sandbox_says_that_it_is_well(sandbox: Any) -> None:
    answer = await sandbox.http.get("/sandbox/health")

    assert (answer.status_code, answer.json()) == (200, {"status": "ok"})
