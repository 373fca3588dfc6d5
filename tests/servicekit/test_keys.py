import asyncio
import base64
from collections.abc import Mapping
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from servicekit.clock import ManualClock
from servicekit.context import RequestContext, current, scope
from servicekit.keys import RETRY_SECONDS, STALE_SECONDS, UNKNOWN_KEY_PAUSE_SECONDS, Keys, KeysUnavailable

TTL = 300


def jwk(kid: str) -> dict[str, str]:
    public = Ed25519PrivateKey.generate().public_key().public_bytes(Encoding.Raw, PublicFormat.Raw)
    return {"kty": "OKP", "crv": "Ed25519", "kid": kid, "x": base64.urlsafe_b64encode(public).decode()}


class Publisher:
    """A key set that can be slow, empty or gone."""

    def __init__(self) -> None:
        self.keys: list[dict[str, str]] = [jwk("k1")]
        self.fetches = 0
        self.is_down = False
        self.withdrawals = 0
        self.gate = asyncio.Event()
        self.gate.set()
        self.asked_by: list[str] = []

    async def source(self) -> Mapping[str, Any]:
        self.fetches += 1
        self.asked_by.append(current().request_id)
        await self.gate.wait()
        if self.is_down:
            raise ConnectionError("nobody there")
        return {"keys": self.keys}

    def withdrawn(self) -> None:
        self.withdrawals += 1


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock()


@pytest.fixture
async def publisher() -> Publisher:
    return Publisher()


@pytest.fixture
def keys(publisher: Publisher, clock: ManualClock) -> Keys:
    return Keys(publisher.source, clock, TTL, publisher.withdrawn)


async def settle() -> None:
    """Let tasks that are ready run to their end."""
    for _ in range(5):
        await asyncio.sleep(0)


async def test_many_at_once_cause_one_fetch(keys: Keys, publisher: Publisher) -> None:
    found = await asyncio.gather(*(keys.find("k1") for _ in range(50)))

    assert None not in found
    assert publisher.fetches == 1


async def test_a_key_of_a_kind_we_cannot_use_is_left_out(keys: Keys, publisher: Publisher) -> None:
    publisher.keys.append({"kty": "RSA", "kid": "k2", "n": "AQAB"})

    assert await keys.find("k1") is not None
    assert await keys.find("k2") is None


async def test_a_new_key_is_fetched_when_it_is_asked_for(
    keys: Keys, publisher: Publisher, clock: ManualClock
) -> None:
    await keys.find("k1")
    publisher.keys.append(jwk("k2"))
    clock.advance(UNKNOWN_KEY_PAUSE_SECONDS)

    assert await keys.find("k2") is not None


async def test_forged_key_ids_cannot_flood_the_source(
    keys: Keys, publisher: Publisher, clock: ManualClock
) -> None:
    for number in range(100):
        assert await keys.find(f"forged-{number}") is None
        clock.advance(0.1)

    assert publisher.fetches == 2


async def test_keys_are_kept_while_the_source_is_away(
    keys: Keys, publisher: Publisher, clock: ManualClock
) -> None:
    await keys.find("k1")
    publisher.is_down = True
    clock.advance(STALE_SECONDS - 1)

    assert await keys.find("k1") is not None


async def test_an_empty_key_set_does_not_replace_keys(
    keys: Keys, publisher: Publisher, clock: ManualClock
) -> None:
    await keys.find("k1")
    publisher.keys = []
    clock.advance(TTL)
    keys.renew()
    await settle()

    assert publisher.fetches == 2
    assert await keys.find("k1") is not None


async def test_keys_are_not_trusted_for_ever(keys: Keys, publisher: Publisher, clock: ManualClock) -> None:
    await keys.find("k1")
    publisher.is_down = True
    clock.advance(STALE_SECONDS)

    with pytest.raises(KeysUnavailable):
        await keys.find("k1")


async def test_the_first_keys_are_found_as_soon_as_the_source_answers(
    keys: Keys, publisher: Publisher, clock: ManualClock
) -> None:
    publisher.is_down = True
    with pytest.raises(KeysUnavailable):
        await keys.find("k1")
    publisher.is_down = False
    clock.advance(RETRY_SECONDS)

    assert await keys.find("k1") is not None


async def test_keys_that_are_due_are_renewed_without_keeping_anybody(
    keys: Keys, publisher: Publisher, clock: ManualClock
) -> None:
    await keys.find("k1")
    clock.advance(TTL)
    publisher.gate.clear()

    async with asyncio.timeout(1):
        found = await keys.find("k1")
    await settle()

    assert found is not None
    assert publisher.fetches == 2
    publisher.gate.set()
    await settle()


async def test_a_key_that_is_withdrawn_is_gone_after_the_next_fetch(
    keys: Keys, publisher: Publisher, clock: ManualClock
) -> None:
    await keys.find("k1")
    publisher.keys = [jwk("k2")]
    clock.advance(TTL)
    keys.renew()
    await settle()

    assert await keys.find("k1") is None
    assert publisher.withdrawals == 1


async def test_a_caller_that_gives_up_leaves_the_fetch_to_the_others(
    keys: Keys, publisher: Publisher
) -> None:
    publisher.gate.clear()
    impatient = asyncio.create_task(keys.find("k1"))
    patient = asyncio.create_task(keys.find("k1"))
    await settle()

    impatient.cancel()
    await settle()
    publisher.gate.set()

    assert await patient is not None
    assert impatient.cancelled()
    assert publisher.fetches == 1


async def test_keys_are_fetched_on_nobodys_behalf(keys: Keys, publisher: Publisher) -> None:
    with scope(RequestContext(request_id="r1")):
        await keys.find("k1")

    assert publisher.asked_by != ["r1"]
