"""The gateway end to end: a real socket before it, real gRPC behind it."""

import asyncio
import re
from typing import Any

import httpx
import pytest
from tillmesh.orders.v1 import orders_pb2

from servicekit.errors import FieldViolation, InvalidArgument, Kind, Planned, StoreUnavailable
from servicekit.health import LIVENESS, READINESS, SERVER
from servicekit.status import RemoteRefusal
from tests.gateway.house import House
from tests.gateway.shelf import Book, BookResponse

ALICE = {"authorization": "Bearer alice"}
KEY = {"idempotency-key": "k1"}
UUID7 = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}")


def problem(response: httpx.Response, status: int, reason: str) -> dict[str, Any]:
    """The problem document of a response, once it is known to be that problem and whole."""
    assert (response.status_code, response.json().get("reason")) == (status, reason), response.text
    document: dict[str, Any] = response.json()
    assert response.headers["content-type"] == "application/problem+json"
    assert document["status"] == status
    assert document["requestId"] == response.headers["x-request-id"]
    assert re.fullmatch("[0-9a-f]{32}", document["traceId"])
    assert all(document[name] for name in ("type", "title", "detail", "instance"))
    assert "Traceback" not in response.text
    return document


async def test_an_order_goes_through(shop: House) -> None:
    order = orders_pb2.Order(id="o1", state=orders_pb2.ORDER_STATE_COMPLETED)
    shop.backend.answers["CreateOrder"] = orders_pb2.CreateOrderResponse(order=order)
    basket = {
        "lines": [{"sku": "A", "quantity": 2}],
        "tenders": [{"card": {"paymentMethod": "pm_card_visa"}}],
    }

    response = await shop.client.post(
        "/v1/orders", json=basket, headers={**ALICE, **KEY, "x-request-id": "r-1"}
    )

    assert response.status_code == 201
    assert response.headers["location"] == "/v1/orders/o1"
    assert response.headers["x-request-id"] == "r-1"
    assert response.json()["state"] == "ORDER_STATE_COMPLETED"
    seen = shop.backend.seen[0]
    assert seen.request.lines[0] == orders_pb2.BasketLine(sku="A", quantity=2)
    assert seen.metadata["idempotency-key"] == "k1"
    assert seen.metadata["authorization"] == "Bearer alice"
    assert seen.metadata["x-request-id"] == "r-1"
    assert seen.metadata["traceparent"].endswith("-00")
    assert seen.seconds_left is not None
    assert 9 < seen.seconds_left <= 10


@pytest.mark.parametrize(
    ("body", "reason", "errors"),
    [
        (b"{", "MALFORMED_JSON", None),
        (b"", "INVALID_ARGUMENT", ["/lines"]),
        (b"[]", "INVALID_ARGUMENT", [""]),
        (b'{"lines": [], "note": "x"}', "INVALID_ARGUMENT", ["/note"]),
        (b'{"lines": {"sku": "A"}}', "INVALID_ARGUMENT", ["/lines"]),
        (
            b'{"lines": [{"sku": 7, "quantity": "two"}]}',
            "INVALID_ARGUMENT",
            ["/lines/0/sku", "/lines/0/quantity"],
        ),
        (b'{"lines": [], "lines": []}', "INVALID_ARGUMENT", ["/lines"]),
        (
            b'{"tenders": [{"card": {"paymentMethod": 4242424242424242}}]}',
            "INVALID_ARGUMENT",
            ["/tenders/0/card/paymentMethod"],
        ),
    ],
)
async def test_a_bad_body_is_refused_with_its_fields(
    shop: House, body: bytes, reason: str, errors: list[str] | None
) -> None:
    shop.backend.answers["CreateOrder"] = InvalidArgument(
        "no", violations=[FieldViolation("lines", "is empty")]
    )

    response = await shop.client.post(
        "/v1/orders", content=body, headers={**ALICE, **KEY, "content-type": "application/json"}
    )

    document = problem(response, 400, reason)
    assert [fault["pointer"] for fault in document.get("errors", [])] == (errors or [])
    assert "4242" not in response.text
    assert not shop.backend.seen or body == b""


@pytest.mark.parametrize(
    ("authorization", "challenge"),
    [
        (None, 'Bearer realm="tillmesh"'),
        ("Basic YTpi", 'error="invalid_token"'),
        ("Bearer", 'error="invalid_token"'),
        ("Bearer forged", 'error="invalid_token"'),
        ("Bearer alice, Bearer alice", 'error="invalid_token"'),
        ('Bearer a"b', 'error="invalid_token"'),
    ],
)
async def test_a_missing_or_forged_token_dies_at_the_edge(
    shop: House, authorization: str | None, challenge: str
) -> None:
    headers = {} if authorization is None else {"authorization": authorization}

    response = await shop.client.get("/v1/orders/7", headers=headers)

    problem(response, 401, "UNAUTHENTICATED")
    assert challenge in response.headers["www-authenticate"]
    assert shop.backend.seen == []


async def test_whose_token_has_expired_is_told_to_refresh_it(shop: House) -> None:
    response = await shop.client.get("/v1/orders/7", headers={"authorization": "Bearer expired"})

    assert problem(response, 401, "UNAUTHENTICATED")["metadata"] == {"expired": "true"}


async def test_without_keys_nobody_can_be_recognised(shop: House) -> None:
    shop.tokens.keys_are_away = True

    response = await shop.client.get("/v1/orders/7", headers=ALICE)

    problem(response, 503, "KEYS_UNAVAILABLE")
    assert response.headers["retry-after"] == "1"


async def test_a_public_call_needs_no_token_and_passes_none_on(shop: House) -> None:
    response = await shop.client.get("/v1/products", headers={"authorization": "Bearer forged"})

    assert response.status_code == 200
    assert "authorization" not in shop.backend.seen[0].metadata


@pytest.mark.parametrize(
    ("method", "path", "status", "reason"),
    [
        ("GET", "/", 404, "PATH_NOT_FOUND"),
        ("GET", "/v2/orders", 404, "PATH_NOT_FOUND"),
        ("GET", "/v1/orders/", 404, "PATH_NOT_FOUND"),
        ("GET", "/tillmesh.payments.v1.PaymentsService/Authorize", 404, "PATH_NOT_FOUND"),
        ("GET", "/v1/products/%ff", 400, "MALFORMED_PATH"),
        ("GET", "/v1/products/%zz", 400, "MALFORMED_PATH"),
        ("GET", "/v1/products/%00", 400, "INVALID_ARGUMENT"),
        ("GET", "/v1/products?pagesize=5", 400, "INVALID_ARGUMENT"),
        ("GET", "/v1/products?pageSize=many", 400, "INVALID_ARGUMENT"),
        ("DELETE", "/v1/orders", 405, "METHOD_NOT_ALLOWED"),
        ("GET", "/v1/orders/7:cancel", 405, "METHOD_NOT_ALLOWED"),
        ("POST", "/health", 405, "METHOD_NOT_ALLOWED"),
    ],
)
async def test_a_request_that_leads_nowhere_is_told_why(
    shop: House, method: str, path: str, status: int, reason: str
) -> None:
    problem(await shop.client.request(method, path, headers=ALICE), status, reason)
    assert shop.backend.seen == []


async def test_a_wrong_method_is_told_the_right_ones(shop: House) -> None:
    response = await shop.client.put("/v1/orders")

    assert response.headers["allow"] == "GET, HEAD, OPTIONS, POST"


async def test_options_are_told(shop: House) -> None:
    response = await shop.client.options("/v1/orders/7:cancel")

    assert (response.status_code, response.headers["allow"]) == (204, "OPTIONS, POST")


async def test_head_has_the_head_of_get(shop: House) -> None:
    get, head = await shop.client.get("/v1/products"), await shop.client.head("/v1/products")

    assert (head.status_code, head.content) == (200, b"")
    assert head.headers["content-length"] == get.headers["content-length"] == str(len(get.content))


async def test_what_is_not_acceptable_is_told_what_there_is(shop: House) -> None:
    response = await shop.client.get("/v1/products", headers={"accept": "text/html"})

    assert "application/json" in problem(response, 406, "NOT_ACCEPTABLE")["detail"]


@pytest.mark.parametrize(
    "headers",
    [
        {"content-type": "text/plain"},
        {"content-type": ""},
        {"content-type": "application/json; charset=latin-1"},
        {"content-type": "application/x-www-form-urlencoded"},
        {"content-type": "application/json", "content-encoding": "gzip"},
    ],
)
async def test_content_of_another_type_is_refused(shop: House, headers: dict[str, str]) -> None:
    response = await shop.client.post("/v1/auth/login", content=b"{}", headers=headers)

    problem(response, 415, "UNSUPPORTED_MEDIA_TYPE")


@pytest.mark.parametrize("content_type", ["application/json", "Application/JSON; charset=UTF-8"])
async def test_json_is_json_however_it_is_spelled(shop: House, content_type: str) -> None:
    response = await shop.client.post("/v1/auth/login", content=b"{}", headers={"content-type": content_type})

    assert response.status_code == 200


async def test_a_body_where_none_belongs_is_refused(shop: House) -> None:
    response = await shop.client.request("GET", "/v1/products", json={})

    problem(response, 400, "BODY_NOT_EXPECTED")


async def test_a_body_too_large_is_refused_whether_announced_or_not(shelf: House) -> None:
    async def parts() -> Any:
        for _ in range(20):
            yield b" " * 1000

    json_type = {"content-type": "application/json"}
    announced = await shelf.client.post("/v1/books/7:move", content=b" " * 20_000, headers=json_type)
    chunked = await shelf.client.post("/v1/books/7:move", content=parts(), headers=json_type)

    problem(announced, 413, "BODY_TOO_LARGE")
    problem(chunked, 413, "BODY_TOO_LARGE")
    assert shelf.backend.seen == []


async def test_an_url_too_long_is_refused(shop: House) -> None:
    problem(await shop.client.get(f"/v1/products?pageToken={'x' * 9000}"), 414, "URL_TOO_LONG")


async def test_headers_too_large_are_refused(shop: House) -> None:
    problem(await shop.client.get("/v1/products", headers={"x": "y" * 17_000}), 431, "HEADERS_TOO_LARGE")


async def test_what_reaches_a_service_stays_under_its_limit_of_metadata(shop: House) -> None:
    shop.backend.answers["GetOrder"] = orders_pb2.GetOrderResponse()
    headers = {"x-request-id": "r" * 64, "tracestate": "a=" + "b" * 500, "cookie": "c" * 8000, **ALICE}

    await shop.client.get("/v1/orders/7", headers=headers)

    metadata = shop.backend.seen[0].metadata
    assert sum(len(name) + len(value) + 32 for name, value in metadata.items()) < 7 * 1024


@pytest.mark.parametrize(
    ("key", "reason"), [(None, "IDEMPOTENCY_KEY_MISSING"), ('"a', "IDEMPOTENCY_KEY_MALFORMED")]
)
async def test_a_creating_call_must_name_its_attempt(shop: House, key: str | None, reason: str) -> None:
    headers = ALICE | ({} if key is None else {"idempotency-key": key})

    problem(await shop.client.post("/v1/orders", json={}, headers=headers), 400, reason)
    assert shop.backend.seen == []


async def test_a_planned_call_gets_the_reason_of_the_service(shop: House) -> None:
    shop.backend.answers["CancelOrder"] = Planned("not available yet: order saga: cancellation")

    response = await shop.client.post("/v1/orders/7:cancel", headers=ALICE | {"idempotency-key": "k1"})

    assert "cancellation" in problem(response, 501, "PLANNED")["detail"]


async def test_a_service_that_needs_time_is_told_with_the_time(shop: House) -> None:
    shop.backend.answers["GetProduct"] = StoreUnavailable("the store is away", retry_after_seconds=1.5)

    response = await shop.client.get("/v1/products/A")

    problem(response, 503, "STORE_UNAVAILABLE")
    assert response.headers["retry-after"] == "2"


async def test_our_fault_in_a_service_has_its_error_id(shop: House) -> None:
    refusal = RemoteRefusal(Kind.INTERNAL, "INTERNAL", "something went wrong on our side")
    refusal.metadata = {"error_id": "e-1"}
    shop.backend.answers["GetProduct"] = refusal

    response = await shop.client.get("/v1/products/A")

    assert problem(response, 500, "INTERNAL")["errorId"] == "e-1"


async def test_an_error_without_details_repeats_no_library(shop: House) -> None:
    async def fail(request: Any, context: Any) -> Any:
        raise ZeroDivisionError("secret")

    shop.backend.answers["GetProduct"] = fail

    response = await shop.client.get("/v1/products/A")

    problem(response, 500, "INTERNAL")
    assert "secret" not in response.text


async def test_an_answer_that_cannot_be_read_is_our_fault_and_recorded_once(shelf: House) -> None:
    async def broken(request: Any, context: Any) -> Any:
        # A string that is no UTF-8.
        return _Bytes(b"\x0a\x01\xff")

    shelf.backend.answers["SetTags"] = broken

    response = await shelf.client.put("/v1/tags", json=["a"])

    document = problem(response, 500, "INTERNAL")
    assert len(shelf.reported) == 1
    assert shelf.reported[0][1] == {"error_id": document["errorId"]}


class _Bytes:
    """Stands for a message that was serialized by somebody else."""

    def __init__(self, serialized: bytes) -> None:
        self._serialized = serialized

    def SerializeToString(self) -> bytes:  # noqa: N802 - protobuf's name
        return self._serialized


async def test_a_client_that_prefers_json_gets_a_google_rpc_status(shop: House) -> None:
    response = await shop.client.get("/nowhere", headers={"accept": "application/json"})

    assert response.status_code == 404
    assert response.headers["content-type"] == "application/json"
    assert response.json()["code"] == 5


@pytest.mark.parametrize(
    ("given", "is_kept"),
    [("a.B-9_", True), ("x" * 64, True), ("x" * 65, False), ("a b", False), ("é", False)],
)
async def test_a_request_id_is_kept_if_it_is_well_formed(shop: House, given: str, is_kept: bool) -> None:
    response = await shop.client.get("/v1/products", headers={b"x-request-id": given.encode()})

    request_id = response.headers["x-request-id"]
    assert request_id == given if is_kept else UUID7.fullmatch(request_id)
    assert shop.backend.seen[0].metadata["x-request-id"] == request_id


async def test_an_upload_is_passed_on_as_it_is(shelf: House) -> None:
    await shelf.client.post("/v1/books/7/cover", content=b"\x89PNG", headers={"content-type": "image/png"})

    cover = shelf.backend.seen[0].request.cover
    assert (cover.content_type, cover.data) == ("image/png", b"\x89PNG")


async def test_a_header_fills_the_field_that_names_it_and_a_query_does_not(shelf: House) -> None:
    headers = {"content-type": "image/png", "COVER-signature": "t=1,v1=ab"}
    await shelf.client.post("/v1/books/7/cover?signature=forged", content=b"\x89PNG", headers=headers)
    await shelf.client.post("/v1/books/7/cover?signature=forged", content=b"\x89PNG")

    assert [seen.request.signature for seen in shelf.backend.seen] == ["t=1,v1=ab", ""]


async def test_a_deprecated_call_warns_until_it_is_gone(shelf: House) -> None:
    shelf.backend.answers["GetOldBook"] = BookResponse(book=Book(id="7"))

    before = await shelf.client.get("/v0/books/7")
    shelf.clock.advance(60 * 86_400)
    after = await shelf.client.get("/v0/books/7")

    assert (before.status_code, before.headers["deprecation"]) == (200, "@1735689600")
    problem(after, 410, "SUNSET")
    assert after.headers["sunset"] == "Fri, 01 Jan 2027 00:00:00 GMT"


async def test_a_client_that_goes_cancels_its_call(shelf: House) -> None:
    started = asyncio.Event()

    async def wait(request: Any, context: Any) -> Any:
        started.set()
        await asyncio.sleep(60)

    shelf.backend.answers["SetTags"] = wait
    _, writer = await asyncio.open_connection("127.0.0.1", shelf.port)
    writer.write(
        b"PUT /v1/tags HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\ncontent-length: 2\r\n\r\n[]"
    )
    await asyncio.wait_for(started.wait(), 5)

    writer.transport.abort()

    await asyncio.wait_for(shelf.backend.cancelled.wait(), 5)
    while _count(shelf, "499") == 0:
        await asyncio.sleep(0.01)
    assert shelf.reported == []


def _count(house: House, status: str) -> float:
    labels = {"http_route": "/v1/tags", "http_request_method": "PUT", "http_response_status_code": status}
    return (
        house.instruments.registry.get_sample_value("http_server_request_duration_seconds_count", labels) or 0
    )


@pytest.mark.parametrize(
    ("path", "name"), [("/health", SERVER), ("/health/live", LIVENESS), ("/health/ready", READINESS)]
)
async def test_health_is_told_by_status(shop: House, path: str, name: str) -> None:
    unknown = await shop.client.get(path)
    shop.health.set(name, serving=True)
    well = await shop.client.get(path)
    shop.health.set(name, serving=False, reason="draining")
    ill = await shop.client.get(path)

    assert [response.status_code for response in (unknown, well, ill)] == [503, 200, 503]
    assert well.headers["content-type"] == "application/health+json"
    assert well.json()["status"] == "pass"
    assert (ill.json()["status"], ill.json()["output"]) == ("fail", "draining")
    assert UUID7.fullmatch(ill.headers["x-request-id"])
    assert (await shop.client.head(path)).status_code == 503


async def test_the_whole_health_names_its_parts(shop: House) -> None:
    shop.health.set(SERVER, serving=True)
    shop.health.set("dependency/orders", serving=False, reason="no answer")

    document = (await shop.client.get("/health")).json()

    assert document["checks"] == {"dependency/orders": [{"status": "fail", "output": "no answer"}]}
