"""One workshop for all of these tests, whole again before each."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from random import Random

import httpx
import pytest

from launcher.databases import EmbeddedValkey
from tests.conftest import Background, Guard
from tests.faults.till import Till
from tests.faults.workshop import Workshop


@pytest.fixture(scope="session")
def shared_workshop(
    background: Background, valkey_server: EmbeddedValkey, guard: Guard, request: pytest.FixtureRequest
) -> Iterator[Workshop]:
    home = Path(tempfile.mkdtemp(prefix="tillmesh-faults-"))
    home.chmod(0o711)  # run by root, PostgreSQL is another user
    workshop = Workshop(home, valkey_server.url, background.run, guard.watch)
    try:
        workshop.open()
        yield workshop
    finally:
        workshop.close()
    if request.session.testsfailed:
        print(f"the logs are kept in {home}/logs")
    else:
        shutil.rmtree(home)


@pytest.fixture
def workshop(shared_workshop: Workshop) -> Workshop:
    shared_workshop.make_whole()
    httpx.delete(f"{shared_workshop.sandbox_url}/sandbox/stripe/faults", trust_env=False)
    return shared_workshop


@pytest.fixture
async def cashier(workshop: Workshop) -> AsyncIterator[Till]:
    till = await Till(workshop).sign_in()
    yield till
    await till.close()


@pytest.fixture
async def manager(workshop: Workshop) -> AsyncIterator[Till]:
    till = await Till(workshop, "manager").sign_in()
    yield till
    await till.close()


@pytest.fixture
def chance() -> Random:
    """Chance with a printed seed."""
    seed = Random().randrange(2**32)
    print(f"seed {seed}")
    return Random(seed)
