"""Random requests of every kind: no answer is ever our fault, and each has its request id.

The requests go straight to the ASGI application, which calls real gRPC servers.
"""

import asyncio
import json
import random
from collections.abc import Mapping
from typing import Any

import pytest

from gateway.app import Gateway
from tests.gateway.house import House

ROUNDS = 1500
METHODS = ["GET", "POST", "PUT", "DELETE", "PATCH", "HEAD", "OPTIONS", "TRACE", "M-SEARCH"]
PIECES = [
    "",
    "v1",
    "v0",
    "orders",
    "products",
    "auth",
    "login",
    "users",
    "shelves",
    "books",
    "papers",
    "files",
    "tags",
    "health",
    "live",
    ":cancel",
    "x:cancel",
    ":",
    "::",
    "%2F",
    "%00",
    "%",
    "%ff",
    "%c3%a9",
    "..",
    "*",
    "**",
    "{id}",
    "a" * 300,
    "é",
    " ",
    "\\",
]
ROUTES = [
    ("GET", "/v1/orders"),
    ("GET", "/v1/orders/7"),
    ("GET", "/v1/products"),
    ("GET", "/v1/products/A"),
    ("GET", "/v1/metrics:aggregate"),
    ("GET", "/v1/reports/compliance"),
    ("GET", "/.well-known/jwks.json"),
    ("GET", "/health"),
    ("POST", "/v1/orders"),
    ("POST", "/v1/orders/7:cancel"),
    ("POST", "/v1/orders/7:refund"),
    ("POST", "/v1/products"),
    ("POST", "/v1/auth/login"),
    ("POST", "/v1/users"),
    ("POST", "/v1/inventory/A:restock"),
    ("POST", "/v1/silences"),
    ("POST", "/v1/offlineOrders:sync"),
    ("POST", "/v1/webhooks/stripe"),
]
NAMES = [
    "pageSize",
    "page_size",
    "pageToken",
    "state",
    "by",
    "startTime",
    "lines",
    "lines[0]",
    "tenders.card",
    "email",
    "password",
    "sku",
    "quantity",
    "",
    "a.b.c",
    "labels[x]",
    "[",
    "]",
    "%00",
    "\ud800",
    "price",
    "minorUnits",
    "currencyCode",
    "roles",
    "sales",
]
VALUES: list[Any] = [
    None,
    True,
    False,
    0,
    -1,
    1.5,
    1e308,
    2**31,
    2**63,
    2**64,
    10**30,
    "",
    "x",
    "\0",
    "\ud800",
    "é",
    "7",
    "1e5",
    "ORDER_STATE_PENDING",
    "2026-01-31T12:00:00Z",
    "9999-99-99T99:99:99Z",
    "-1s",
    [],
    {},
    [[]],
    [None],
    [{}],
    {"": 1},
]
GOOD_HEADERS = {
    b"authorization": b"Bearer alice",
    b"content-type": b"application/json",
    b"idempotency-key": b"k",
}
BAD_HEADERS: dict[bytes, list[bytes]] = {
    b"authorization": [b"Bearer x", b"Basic eA==", b"", b"\xff", b"Bearer " + b"x" * 5000],
    b"content-type": [b"text/plain", b";", b"application/json;charset=x", b"\xff"],
    b"idempotency-key": [b'"k"', b'"', b"\xff", b"x" * 300],
    b"accept": [b"application/json", b"text/event-stream", b";;,q=", b"a/b;q=z", b"\xff"],
    b"x-request-id": [b"ok-1", b"not ok", b"\xff", b"x" * 100],
    b"traceparent": [b"00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01", b"00-zz", b"\xff"],
    b"tracestate": [b"a=b", b"===", b"\xff"],
    b"x-forwarded-for": [b"1.2.3.4", b"::1, x", b"\xff"],
    b"content-length": [b"0", b"99999999999999999999", b"-1", b"x", b"\xb2"],
    b"content-encoding": [b"gzip", b"identity"],
    b"expect": [b"100-continue"],
}


class Dice:
    """Makes requests from a seed: most of them nearly right, for those reach the furthest."""

    def __init__(self, seed: int) -> None:
        self._random = random.Random(seed)

    def request(self) -> tuple[dict[str, Any], bytes]:
        method, path = self._random.choice(ROUTES)
        if self._chance(0.1):
            method = self._random.choice(METHODS)
        if self._chance(0.1):
            path = self._path()
        body = self._body() if method == "POST" or self._chance(0.1) else b""
        scope = {
            "type": "http",
            "method": method,
            "path": path,
            "raw_path": path.encode("utf-8", "replace"),
            "query_string": self._query().encode("utf-8", "replace") if self._chance(0.2) else b"",
            "headers": list(self._headers(body).items()),
            "client": ("127.0.0.1", 1),
        }
        return scope, body

    def _chance(self, share: float) -> bool:
        return self._random.random() < share

    def _headers(self, body: bytes) -> dict[bytes, bytes]:
        length = {b"content-length": str(len(body)).encode()} if body else {}
        bad = {
            name: self._random.choice(values) for name, values in BAD_HEADERS.items() if self._chance(0.05)
        }
        return GOOD_HEADERS | length | bad

    def _body(self) -> bytes:
        if self._chance(0.1):
            return self._random.randbytes(self._random.randint(0, 40))
        text = json.dumps(self._document(0))
        if self._chance(0.1):
            text = text[: self._random.randint(0, len(text))]
        return text.encode()

    def _path(self) -> str:
        return "/" + "/".join(self._random.choice(PIECES) for _ in range(self._random.randint(0, 5)))

    def _query(self) -> str:
        names, values = self._random.choice(NAMES), self._random.choice(VALUES)
        parts = [f"{names}={values}" for _ in range(self._random.randint(0, 4))]
        return self._random.choice(["&", ";", "&&"]).join(parts)

    def _document(self, depth: int) -> Any:
        if depth > 4 or self._chance(0.3 * depth):
            return self._random.choice(VALUES)
        if self._chance(0.25):
            return [self._document(depth + 1) for _ in range(self._random.randint(0, 3))]
        count = self._random.randint(0, 4)
        return {self._random.choice(NAMES): self._document(depth + 1) for _ in range(count)}


async def answered(
    app: Gateway, scope: Mapping[str, Any], body: bytes
) -> tuple[int, dict[bytes, bytes], bytes]:
    """What the application answers; the client stays until it has."""
    received: list[Mapping[str, Any]] = [{"type": "http.request", "body": body, "more_body": False}]
    sent: list[Mapping[str, Any]] = []

    async def receive() -> Mapping[str, Any]:
        if received:
            return received.pop()
        await asyncio.Event().wait()
        raise AssertionError("waits for ever")

    async def send(message: Mapping[str, Any]) -> None:
        sent.append(message)

    await app(scope, receive, send)
    start, *parts = sent
    return start["status"], dict(start["headers"]), b"".join(part["body"] for part in parts)


@pytest.mark.parametrize("seed", [1, 2, 3])
async def test_no_request_makes_an_error_of_ours(shop: House, seed: int) -> None:
    print(f"seed {seed}")
    dice = Dice(seed)
    statuses: dict[int, int] = {}
    for _ in range(ROUNDS):
        scope, body = dice.request()

        status, headers, content = await answered(shop.app, scope, body)

        context = (scope, body, status, content)
        statuses[status] = statuses.get(status, 0) + 1
        assert status < 500 or scope["path"].startswith("/health") or status == 501, context
        assert headers[b"x-request-id"], context
        assert status < 400 or scope["method"] == "HEAD" or json.loads(content), context
        assert b"Traceback" not in content, context
    print(statuses)
    assert shop.reported == []
    assert {200, 201, 204, 400, 401, 404, 405, 406, 413, 415} <= statuses.keys()
