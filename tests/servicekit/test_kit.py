"""What a composition root is handed: parts, the checks that come with them, and their end."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from typing import Any

import pytest
from opentelemetry.sdk.trace import TracerProvider
from pydantic import SecretStr

from servicekit.checks import Check, Checks
from servicekit.clock import SystemClock, uuid7
from servicekit.errors import PeerUnavailable, StoreUnavailable
from servicekit.health import Health
from servicekit.instruments import Instruments
from servicekit.kit import Kit
from servicekit.sentry import NullReporter
from servicekit.settings import PostgresSettings, RedisSettings, ServiceSettings
from tests.servicekit.lab import LAB, MESH_KEY, LabStub, open_house, service_tokens


class StoredSettings(PostgresSettings, RedisSettings, ServiceSettings):
    """A service with everything."""


@pytest.fixture
async def kit() -> AsyncIterator[Kit[Any]]:
    """Of a service whose stores are away."""
    settings = StoredSettings(
        grpc_port=0,
        http_port=0,
        mesh_key=SecretStr(MESH_KEY.decode()),
        database_url=SecretStr("postgresql://lab@127.0.0.1:1/lab"),
        redis_url=SecretStr("redis://127.0.0.1:1/0"),
    )
    async with AsyncExitStack() as lifetime:
        yield Kit(
            name="lab",
            settings=settings,
            clock=SystemClock(),
            make_id=uuid7,
            instruments=Instruments("lab"),
            health=Health(),
            tracers=TracerProvider(shutdown_on_exit=False),
            reporter=NullReporter(),
            service_tokens=service_tokens("lab"),
            lifetime=lifetime,
        )


def only_check(kit: Kit[Any]) -> Check:
    (check,) = kit.checks
    return check


async def test_a_database_comes_with_a_check_of_its_own(kit: Kit[Any]) -> None:
    kit.postgres()

    check = only_check(kit)
    assert (check.name, check.own) == ("postgres", True)
    with pytest.raises(StoreUnavailable):
        await check.probe()


async def test_a_database_that_can_be_missed_does_not_decide_readiness(kit: Kit[Any]) -> None:
    kit.postgres(required=False)

    assert not only_check(kit).own


async def test_the_shared_state_comes_with_a_check_of_its_own(kit: Kit[Any]) -> None:
    kit.redis()

    check = only_check(kit)
    assert (check.name, check.own) == ("redis", True)
    with pytest.raises(StoreUnavailable):
        await check.probe()


async def test_a_peer_comes_with_a_check_that_never_decides_readiness(kit: Kit[Any]) -> None:
    async with open_house(name="back") as back:
        stub = LabStub(kit.channel("back", back.target, LAB))
        await stub.Inside("hello")
        check = only_check(kit)
        await check.probe()

        back.health.set("", serving=False)
        await asyncio.sleep(0.05)
        with pytest.raises(PeerUnavailable):
            await check.probe()

    with pytest.raises(PeerUnavailable):
        await check.probe()
    assert (check.name, check.own, check.failures_to_go_down) == ("back", False, 3)


async def test_what_was_made_is_closed_in_the_reverse_order(kit: Kit[Any]) -> None:
    async with open_house(name="back") as back:
        database = kit.postgres()
        stub = LabStub(kit.channel("back", back.target, LAB))
        closed: list[str] = []
        kit.lifetime.callback(closed.append, "last made")

        await kit.lifetime.aclose()

        assert closed == ["last made"]
        with pytest.raises(StoreUnavailable, match="closed"):
            await database.ping()
        with pytest.raises(Exception, match="closed"):
            await stub.Open("")


async def test_a_probe_that_swallows_its_cancellation_does_not_hold_up_the_end() -> None:
    probing = asyncio.Event()

    async def swallow() -> None:
        probing.set()
        with contextlib.suppress(asyncio.CancelledError):
            await asyncio.sleep(30)

    checks = Checks(Health(), SystemClock())
    checks.add(Check("redis", swallow, period_seconds=60))
    running = asyncio.create_task(checks.run())
    await probing.wait()

    running.cancel()
    done, _ = await asyncio.wait([running], timeout=2)

    assert done == {running}
