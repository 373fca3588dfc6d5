"""The sandbox on a free port of this process, Stripe's own library to talk to it, and its controls."""

import contextlib
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx
import pytest
import stripe

from sandbox.app import Settings, build
from sandbox.server import listen, running

# Stripe's client for httpx hands its body over in a way that httpx deprecates.
_LIBRARY = pytest.mark.filterwarnings("ignore:Use 'content=<...>' to upload raw bytes:DeprecationWarning")

CARD = {"allowed_payment_method_types": ["card"], "capture_method": "manual", "confirm": True}


class Sandbox:
    """One running sandbox, as the provider's client and as the judge see it."""

    def __init__(self, url: str) -> None:
        self.url = url
        self.http = httpx.AsyncClient(base_url=url, verify=False)
        self._library = stripe.HTTPXClient(timeout=5, verify_ssl_certs=False)
        self.stripe = stripe.StripeClient(
            "sk_test_contract",
            base_addresses={"api": url},
            http_client=self._library,
            max_network_retries=0,
        )

    @property
    def intents(self) -> Any:
        return self.stripe.v1.payment_intents

    async def hold(self, order_id: str = "order-1", key: str | None = None, **more: Any) -> Any:
        """Authorise 10 EUR on a good card, unless `more` says otherwise."""
        params: Any = {
            "amount": 1000,
            "currency": "eur",
            "payment_method": "pm_card_visa",
            "metadata": {"order_id": order_id},
            **CARD,
            **more,
        }
        return await self.intents.create_async(params, {"idempotency_key": key} if key else {})

    async def movements(self, **filters: str) -> list[tuple[str, int]]:
        answer = await self.http.get("/sandbox/stripe/ledger", params=filters)
        return [(entry["movement"], entry["amount"]) for entry in answer.json()["entries"]]

    async def switch_on(self, **fault: Any) -> httpx.Response:
        return await self.http.post("/sandbox/stripe/faults", json=fault)

    async def close(self) -> None:
        await self.http.aclose()
        await self._library.close_async()  # type: ignore[no-untyped-call]


@contextlib.asynccontextmanager
async def serving(settings: Settings) -> AsyncIterator[Sandbox]:
    listening = listen("127.0.0.1", 0)
    async with running(build(settings), listening):
        sandbox = Sandbox(f"http://127.0.0.1:{listening.getsockname()[1]}")
        yield sandbox
        await sandbox.close()


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if item.path.is_relative_to(Path(__file__).parent):
            item.add_marker(_LIBRARY)


@pytest.fixture(autouse=True)
def _silent_library(monkeypatch: pytest.MonkeyPatch) -> None:
    """Keep Stripe's library from writing a telemetry id into the home directory."""
    monkeypatch.setattr(stripe, "enable_telemetry", False)


@pytest.fixture
async def sandbox() -> AsyncIterator[Sandbox]:
    async with serving(Settings()) as sandbox:
        yield sandbox


@pytest.fixture
def start() -> Any:
    """`async with start(Settings(...)) as sandbox:` for a test that needs its own."""
    return serving


@pytest.fixture
def state_path(tmp_path: Path) -> str:
    return str(tmp_path / "sandbox.db")
