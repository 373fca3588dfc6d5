"""The application: every stand-in under one roof."""

from __future__ import annotations

import asyncio
import contextlib
import secrets
import time
from collections.abc import AsyncIterator
from dataclasses import dataclass

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from sandbox.stripe.routes import Stripe
from sandbox.stripe.store import IN_MEMORY, Store
from sandbox.stripe.webhooks import Destination


@dataclass(frozen=True)
class Settings:
    """What a sandbox is started with.

    Attributes:
        state_path: The file that the state is kept in; in memory by default.
        stripe_webhooks: Where Stripe's events are delivered; `None` for nowhere.
    """

    state_path: str = IN_MEMORY
    stripe_webhooks: Destination | None = None


def build(settings: Settings) -> Starlette:
    """Make the application."""
    store = Store(settings.state_path)
    stripe = Stripe(store, settings.stripe_webhooks, time.time, _make_id)

    @contextlib.asynccontextmanager
    async def lifespan(_: Starlette) -> AsyncIterator[None]:
        courier = asyncio.create_task(stripe.courier.run(), name="stripe courier")
        try:
            yield
        finally:
            courier.cancel()
            await asyncio.gather(courier, return_exceptions=True)
            store.close()

    return Starlette(
        routes=[Route("/sandbox/health", _health, methods=["GET"]), *stripe.routes()], lifespan=lifespan
    )


async def _health(_: Request) -> Response:
    return JSONResponse({"status": "ok"})


def _make_id(prefix: str) -> str:
    return f"{prefix}_{secrets.token_hex(12)}"
