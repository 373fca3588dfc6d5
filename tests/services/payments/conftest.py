"""The use cases over fakes, and Stripe's stand-in on a free port of this process."""

from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest
from opentelemetry.trace import NoOpTracer, Tracer

from sandbox.app import Settings, build
from sandbox.server import listen, running
from servicekit.clock import SystemClock
from services.payments.clients.stripe import StripeProvider, stripe_client
from services.payments.clients.transport import Transport
from services.payments.store.memory import MemoryStore
from tests.services.payments.fakes import Shop


class Stripe:
    """The running stand-in: its address, its faults and its ledger."""

    def __init__(self, url: str) -> None:
        self.url = url
        self._http = httpx.AsyncClient(base_url=url, verify=False)
        self._transports: list[Transport] = []

    def provider(
        self, *, key: str = "sk_test_payments", tracer: Tracer | None = None, timeout_seconds: float = 5
    ) -> StripeProvider:
        transport = Transport(timeout_seconds=timeout_seconds, connections=10)
        self._transports.append(transport)
        client = stripe_client(self.url, key, transport)
        return StripeProvider(client, SystemClock(), tracer or NoOpTracer(), timeout_seconds)

    async def switch_on(self, **fault: object) -> None:
        answer = await self._http.post("/sandbox/stripe/faults", json=fault)
        assert answer.status_code == 201, answer.text

    async def heal(self) -> None:
        """Switch off whatever goes wrong at the API; what is on its way stays so."""
        answer = await self._http.delete("/sandbox/stripe/faults")
        assert answer.status_code == 204, answer.text

    async def ledger(self) -> list[dict[str, str]]:
        answer = await self._http.get("/sandbox/stripe/ledger")
        entries: list[dict[str, str]] = answer.json()["entries"]
        return entries

    async def events(self) -> list[dict[str, Any]]:
        answer = await self._http.get("/v1/events", headers={"Authorization": "Bearer sk_test_dashboard"})
        listed: list[dict[str, Any]] = answer.json()["data"]
        return listed

    async def movements(self) -> list[str]:
        return [entry["movement"] for entry in await self.ledger()]

    async def post(self, path: str, **form: str) -> httpx.Response:
        """Act behind the back of the payments service, as somebody at Stripe's dashboard would."""
        return await self._http.post(path, data=form, headers={"Authorization": "Bearer sk_test_dashboard"})

    async def close(self) -> None:
        await self._http.aclose()
        for transport in self._transports:
            await transport.close_async()


@pytest.fixture
def shop() -> Shop[MemoryStore]:
    return Shop(lambda _: MemoryStore())


@pytest.fixture
async def stripe() -> AsyncIterator[Stripe]:
    listening = listen("127.0.0.1", 0)
    async with running(build(Settings()), listening):
        stripe = Stripe(f"http://127.0.0.1:{listening.getsockname()[1]}")
        yield stripe
        await stripe.close()
