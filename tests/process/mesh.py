"""A whole mesh of real processes, and what a person outside can do with it."""

from __future__ import annotations

import json
import os
import random
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any
from uuid import uuid4

import httpx
from opentelemetry.proto.collector.trace.v1 import trace_service_pb2 as traces
from opentelemetry.proto.collector.trace.v1 import trace_service_pb2_grpc as traces_grpc
from opentelemetry.proto.trace.v1.trace_pb2 import Span
from typing_extensions import override

READY_SECONDS = 60
PORTS = 11
HEAL_SECONDS = 45


class Mesh:
    """One mesh, and what a person outside can do with it."""

    def __init__(self, home: Path, port_base: int, environ: dict[str, str]) -> None:
        self.home = home
        self.port_base = port_base
        self.environ = (
            os.environ
            | environ
            | {
                "TILLMESH_HOME": str(home),
                "TILLMESH_PORT_BASE": str(port_base),
            }
        )
        self.http = httpx.Client(base_url=f"http://127.0.0.1:{port_base}", timeout=15, trust_env=False)
        self._tokens: dict[str, str] = {}

    def tillmesh(self, *words: str, timeout: float = 90) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-m", "launcher", *words]
        return subprocess.run(
            command, check=False, env=self.environ, capture_output=True, text=True, timeout=timeout
        )

    def status(self) -> dict[str, Any]:
        answered: dict[str, Any] = json.loads(self.tillmesh("status", "--json").stdout)
        return answered

    def process(self, name: str) -> dict[str, Any]:
        found: dict[str, Any] = next(each for each in self.status()["processes"] if each["name"] == name)
        return found

    def ready(self, seconds: int = READY_SECONDS) -> None:
        waited = self.tillmesh("status", "--wait", str(seconds))
        assert waited.returncode == 0, waited.stdout + waited.stderr

    def kill(self, name: str, number: signal.Signals = signal.SIGKILL) -> int:
        pid: int = self.process(name)["pid"]
        os.kill(pid, number)
        return pid

    def token(self, user: str = "cashier") -> str:
        if user not in self._tokens:
            answer = self.http.post("/v1/auth/login", json=self._password(user))
            assert answer.status_code == 200, answer.text
            self._tokens[user] = answer.json()["tokens"]["accessToken"]
        return self._tokens[user]

    def headers(self, user: str = "cashier", key: str = "") -> dict[str, str]:
        return {"Authorization": f"Bearer {self.token(user)}", "Idempotency-Key": key or str(uuid4())}

    def order(
        self, *, key: str = "", headers: dict[str, str] | None = None, card: str = "pm_card_visa"
    ) -> httpx.Response:
        basket = {
            "lines": [{"sku": self.sku, "quantity": 1}],
            "tenders": [{"card": {"paymentMethod": card}}],
        }
        return self.http.post("/v1/orders", json=basket, headers=self.headers(key=key) | (headers or {}))

    def restock(self, quantity: int) -> None:
        answer = self.http.post(
            f"/v1/inventory/{self.sku}:restock",
            json={"quantity": quantity},
            headers=self.headers("manager"),
        )
        assert answer.status_code == 200, answer.text

    @property
    def sku(self) -> str:
        """The product with no age limit that there is most of."""
        products = self.http.get("/v1/products", params={"pageSize": 100}).json()["products"]
        sku: str = next(each["sku"] for each in products if not each.get("minimumAge"))
        return sku

    def ledger(self) -> list[dict[str, Any]]:
        """What really happened to money, as the provider tells it."""
        answer = httpx.get(
            f"http://127.0.0.1:{self.port_base + 10}/sandbox/stripe/ledger", timeout=10, trust_env=False
        )
        entries: list[dict[str, Any]] = answer.json()["entries"]
        return entries

    def _password(self, user: str) -> dict[str, str]:
        known = json.loads((self.home / "credentials.json").read_text())
        return {"email": known[user]["email"], "password": known[user]["password"]}


def free_base() -> int:
    """The first of eleven ports in a row that nobody listens on."""
    for base in random.SystemRandom().sample(range(20_000, 30_000, 20), 100):
        if all(_is_free(port) for port in range(base, base + PORTS)):
            return base
    raise AssertionError("no eleven free ports in a row")


def _is_free(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) != 0


def eventually(holds: Callable[[], bool], seconds: float = HEAL_SECONDS) -> None:
    """Wait until something holds; the only sleep here, because the other side is another process."""
    until = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < until, f"still not so after {seconds} s"
        time.sleep(0.1)


class Collector(traces_grpc.TraceServiceServicer):
    """Takes spans from all processes, as Jaeger would."""

    def __init__(self) -> None:
        self.spans: list[tuple[str, Span]] = []

    @override
    def Export(
        self, request: traces.ExportTraceServiceRequest, context: Any
    ) -> traces.ExportTraceServiceResponse:
        for resource_spans in request.resource_spans:
            attributes = {each.key: each.value.string_value for each in resource_spans.resource.attributes}
            for scope_spans in resource_spans.scope_spans:
                self.spans += [(attributes["service.name"], span) for span in scope_spans.spans]
        return traces.ExportTraceServiceResponse()

    def of(self, trace_id: str) -> list[tuple[str, Span]]:
        """The service and the span, for each span of a trace."""
        return [(service, span) for service, span in list(self.spans) if span.trace_id.hex() == trace_id]
