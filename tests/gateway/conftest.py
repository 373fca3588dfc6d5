"""A gateway for the API of shelf.proto, and one for the API of Tillmesh."""

from collections.abc import AsyncIterator

import pytest

from gateway.incoming import Limits
from gateway.routes import our_files
from tests.gateway.house import House, open_house
from tests.gateway.shelf import SHELF


@pytest.fixture
async def shelf() -> AsyncIterator[House]:
    async with open_house([SHELF], Limits(body_bytes=10_000, head_seconds=0.3, body_seconds=0.3)) as house:
        yield house


@pytest.fixture
async def shop() -> AsyncIterator[House]:
    async with open_house(our_files()) as house:
        yield house
