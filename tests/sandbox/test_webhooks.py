"""Events, and their delivery to a real receiver that checks signatures with Stripe's own library."""

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator
from dataclasses import replace
from typing import Any

import pytest
import stripe
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from sandbox.app import Settings
from sandbox.server import listen, running
from sandbox.stripe.webhooks import Destination

SECRET = "whsec_contract"


class Receiver:
    """Takes webhooks as the mesh does; refuses the first `refusals` of them."""

    def __init__(self) -> None:
        self.refusals = 0
        self.types: list[str] = []
        self.subjects: list[str] = []
        self.arrivals: list[float] = []
        self._arrived = asyncio.Condition()
        self.app = Starlette(routes=[Route("/hook", self._receive, methods=["POST"])])

    async def _receive(self, request: Request) -> Response:
        payload = await request.body()
        event = stripe.Webhook.construct_event(payload, request.headers["Stripe-Signature"], SECRET)
        async with self._arrived:
            self.types.append(event.type)
            self.subjects.append(event.data.object["id"])
            self.arrivals.append(time.monotonic())
            self._arrived.notify_all()
        self.refusals -= 1
        return Response(status_code=503 if self.refusals >= 0 else 204)

    async def have(self, count: int) -> list[str]:
        async with asyncio.timeout(5), self._arrived:
            await self._arrived.wait_for(lambda: len(self.types) >= count)
        return self.types


@pytest.fixture
async def receiver() -> Receiver:
    return Receiver()


@pytest.fixture
async def settings(receiver: Receiver) -> AsyncIterator[Settings]:
    listening = listen("127.0.0.1", 0)
    url = f"http://127.0.0.1:{listening.getsockname()[1]}/hook"
    async with running(receiver.app, listening):
        yield Settings(stripe_webhooks=Destination(url, SECRET))


async def test_events_arrive_signed(settings: Settings, receiver: Receiver, start: Any) -> None:
    async with start(settings) as sandbox:
        intent = await sandbox.hold()
        await sandbox.intents.capture_async(intent.id)

        assert await receiver.have(3) == [
            "payment_intent.created",
            "payment_intent.amount_capturable_updated",
            "payment_intent.succeeded",
        ]


async def test_an_event_that_is_not_taken_comes_again(
    settings: Settings, receiver: Receiver, start: Any
) -> None:
    receiver.refusals = 1

    async with start(settings) as sandbox:
        await sandbox.hold(confirm=False)

        assert await receiver.have(2) == ["payment_intent.created"] * 2


async def test_a_delayed_webhook_is_late(settings: Settings, receiver: Receiver, start: Any) -> None:
    async with start(settings) as sandbox:
        await sandbox.switch_on(kind="webhook_delay", count=1, seconds=0.3)
        asked = time.monotonic()
        await sandbox.hold(confirm=False)

        await receiver.have(1)
        assert receiver.arrivals[0] - asked >= 0.3


async def test_a_duplicated_event_arrives_twice(settings: Settings, receiver: Receiver, start: Any) -> None:
    async with start(settings) as sandbox:
        await sandbox.switch_on(kind="webhook_duplicate", count=1)
        await sandbox.hold(confirm=False)

        assert await receiver.have(2) == ["payment_intent.created"] * 2


async def test_spread_events_arrive_in_no_order(settings: Settings, receiver: Receiver, start: Any) -> None:
    async with start(settings) as sandbox:
        await sandbox.switch_on(kind="webhook_spread", probability=1, seconds=0.5, seed=1)
        intents = [await sandbox.hold(confirm=False, metadata={"n": str(n)}) for n in range(8)]
        await receiver.have(8)

    assert receiver.subjects != [intent.id for intent in intents]
    assert sorted(receiver.subjects) == sorted(intent.id for intent in intents)


async def test_an_endpoint_hears_only_what_it_wants(
    settings: Settings, receiver: Receiver, start: Any
) -> None:
    assert settings.stripe_webhooks is not None
    wanted = replace(settings.stripe_webhooks, events=frozenset({"payment_intent.succeeded"}))
    async with start(Settings(stripe_webhooks=wanted)) as sandbox:
        intent = await sandbox.hold()
        await sandbox.intents.capture_async(intent.id)

        assert await receiver.have(1) == ["payment_intent.succeeded"]


async def test_undelivered_events_survive_the_sandbox(
    settings: Settings, receiver: Receiver, start: Any, state_path: str
) -> None:
    kept = Settings(state_path, settings.stripe_webhooks)
    async with start(kept) as sandbox:
        await sandbox.switch_on(kind="webhook_delay", count=1, seconds=0.5)
        await sandbox.hold(confirm=False)
    assert receiver.types == []

    async with start(kept):
        assert await receiver.have(1) == ["payment_intent.created"]


async def test_events_can_be_listed_and_read(sandbox: Any) -> None:
    intent = await sandbox.hold()

    listed = await sandbox.stripe.v1.events.list_async({"type": "payment_intent.created"})

    (event,) = listed.data
    assert event.data.object["id"] == intent.id
    assert (await sandbox.stripe.v1.events.retrieve_async(event.id)).type == "payment_intent.created"


async def test_a_declined_card_is_told_as_an_event(sandbox: Any) -> None:
    with contextlib.suppress(stripe.CardError):
        await sandbox.hold(payment_method="pm_card_visa_chargeDeclined")

    listed = await sandbox.stripe.v1.events.list_async()

    assert listed.data[0].type == "payment_intent.payment_failed"
