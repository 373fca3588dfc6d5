from __future__ import annotations

import pytest

from servicekit.clock import ManualClock
from servicekit.context import Role
from services.auth.model import Attempt, User, UserDraft
from tests.services.auth.fakes import Auth


@pytest.fixture
def auth() -> Auth:
    return Auth()


@pytest.fixture
def clock(auth: Auth) -> ManualClock:
    return auth.clock


@pytest.fixture
async def alice(auth: Auth) -> User:
    draft = UserDraft("alice@example.com", "Alice", "correct horse battery", (Role.CASHIER,))
    return await auth.directory.create(draft, Attempt("", "fixture"))
