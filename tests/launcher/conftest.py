"""A gateway that behaves: signs in, keeps keys, sells what it has; over real HTTP."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
from typing_extensions import override

from launcher.credentials import Credentials

Answer = tuple[int, dict[str, Any]]


class FakeGateway:
    """What a gateway would hold after what it was asked."""

    def __init__(self) -> None:
        self.passwords: dict[str, str] = {}
        self.users: list[dict[str, Any]] = []
        self.products: dict[str, dict[str, Any]] = {}
        self.stock: dict[str, int] = {}
        self.orders: list[dict[str, Any]] = []
        self.order_state = "ORDER_STATE_COMPLETED"
        self.not_ready = 0
        """How many requests are still answered 503."""
        self.is_failing = False
        self._answers: dict[str, Answer] = {}

    def answer(self, method: str, path: str, body: dict[str, Any], headers: dict[str, str]) -> Answer:
        if self.not_ready:
            self.not_ready -= 1
            return problem(503, "PEER_UNAVAILABLE", "auth cannot be reached")
        if self.is_failing:
            return problem(500, "", "something went wrong")
        if path == "/v1/auth/login":
            return self._login(body)
        if path.startswith("/v1/products") and method == "GET":
            return 200, {"products": list(self.products.values())}
        return self._signed_in(path, body, headers)

    def _signed_in(self, path: str, body: dict[str, Any], headers: dict[str, str]) -> Answer:
        if not headers.get("authorization", "").startswith("Bearer token-"):
            return problem(401, "UNAUTHENTICATED", "sign in first")
        key = headers.get("idempotency-key", "")
        if not key:
            return problem(400, "IDEMPOTENCY_KEY_MISSING", "a key is needed")
        if key not in self._answers:
            self._answers[key] = self._created(path, body)
        return self._answers[key]

    def _login(self, body: dict[str, Any]) -> Answer:
        if self.passwords.get(body["email"]) != body["password"]:
            return problem(401, "INVALID_CREDENTIALS", "wrong email or password")
        return 200, {"tokens": {"accessToken": f"token-{uuid4()}", "tokenType": "Bearer"}, "user": {}}

    def _created(self, path: str, body: dict[str, Any]) -> Answer:
        if path == "/v1/users":
            if any(user["email"] == body["email"] for user in self.users):
                return problem(409, "EMAIL_TAKEN", "known")
            self.users.append(body)
            self.passwords[body["email"]] = body["password"]
            return 201, body
        if path == "/v1/products":
            if body["sku"] in self.products:
                return problem(409, "SKU_TAKEN", "known")
            self.products[body["sku"]] = body
            return 201, body
        if path == "/v1/orders":
            return self._order(body)
        sku = path.removeprefix("/v1/inventory/").removesuffix(":restock")
        self.stock[sku] = self.stock.get(sku, 0) + body["quantity"]
        return 200, {"sku": sku, "onHand": self.stock[sku]}

    def _order(self, body: dict[str, Any]) -> Answer:
        sku = body["lines"][0]["sku"]
        if not self.stock.get(sku):
            return problem(409, "OUT_OF_STOCK", "none left")
        self.stock[sku] -= 1
        order = {"id": str(uuid4()), "state": self.order_state, "lines": body["lines"]}
        self.orders.append(order)
        return 201, order


def problem(status: int, reason: str, detail: str) -> Answer:
    return status, {"status": status, "reason": reason, "detail": detail, "requestId": "request-1"}


@pytest.fixture
def gateway() -> FakeGateway:
    return FakeGateway()


@pytest.fixture
def address(gateway: FakeGateway) -> Iterator[str]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        disable_nagle_algorithm = True

        def do_GET(self) -> None:
            self._answer({})

        def do_POST(self) -> None:
            self._answer(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))

        def _answer(self, body: dict[str, Any]) -> None:
            headers = {name.lower(): value for name, value in self.headers.items()}
            status, document = gateway.answer(self.command, self.path, body, headers)
            content = json.dumps(document).encode()
            self.send_response(status)
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        @override
        def log_message(self, *_arguments: object) -> None:
            """Tests read state, not access logs."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        server.daemon_threads = True
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
        thread.start()
        yield f"127.0.0.1:{server.server_port}"
        server.shutdown()
        thread.join()


@pytest.fixture
def credentials(tmp_path: Path, gateway: FakeGateway) -> Credentials:
    """The people of a new shop; its administrator can sign in already."""
    credentials = Credentials.kept(tmp_path / "credentials.json")
    admin = credentials.people["admin"]
    gateway.passwords[admin.email] = admin.password
    return credentials
