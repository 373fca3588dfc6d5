from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

import pytest
from typing_extensions import override

from servicekit.context import Role
from servicekit.errors import InvalidArgument, StoreUnavailable
from services.auth.checks import preparation_check
from services.auth.errors import InvalidRefreshToken, NotPrepared
from services.auth.model import Attempt, SigningKey, User, UserDraft
from services.auth.usecases.access import Keyring
from services.auth.usecases.preparation import Preparation, Retention
from services.auth.workers import Chores
from tests.services.auth.fakes import Auth

ADMIN = UserDraft("Root@example.com", "Administrator", "a long enough password", (Role.ADMIN,))


def preparation(auth: Auth, first_admin: UserDraft | None = ADMIN) -> Preparation:
    return Preparation(auth.store, auth.keyring, auth.directory, first_admin)


class AwayKeyring(Keyring):
    """A keyring whose database comes back after some tries."""

    def __init__(self, auth: Auth, failures: int) -> None:
        super().__init__(auth.store, auth.clock)
        self.failures = failures

    @override
    async def newest(self) -> SigningKey:
        if self.failures:
            self.failures -= 1
            raise StoreUnavailable("the database is not reachable")
        return await super().newest()


async def test_an_empty_shop_gets_its_first_admin(auth: Auth) -> None:
    await preparation(auth).run()

    user, _ = await auth.sign_in.login("root@example.com", ADMIN.password)
    assert user.roles == {Role.ADMIN}


async def test_a_shop_with_users_gets_none(auth: Auth, alice: User) -> None:
    await preparation(auth).run()

    assert (await auth.directory.page(0, "")).users == (alice,)


async def test_replicas_that_start_at_once_make_one_admin(auth: Auth) -> None:
    await asyncio.gather(*(preparation(auth).run() for _ in range(3)))

    assert len((await auth.directory.page(0, "")).users) == 1


async def test_without_a_first_admin_only_keys_are_made(auth: Auth) -> None:
    await preparation(auth, first_admin=None).run()

    assert await auth.store.users.is_empty()
    assert len(await auth.store.signing_keys.all()) == 1


async def test_the_check_says_why_until_all_is_prepared(auth: Auth) -> None:
    away = Preparation(auth.store, AwayKeyring(auth, failures=1), auth.directory, ADMIN)
    probe = preparation_check(away).probe
    with pytest.raises(NotPrepared, match="not loaded yet"):
        await probe()

    with pytest.raises(StoreUnavailable):
        await away.run()
    with pytest.raises(NotPrepared, match="the database is not reachable"):
        await probe()

    await away.run()
    await probe()


async def test_a_first_admin_that_cannot_be_is_said(auth: Auth) -> None:
    wrong = preparation(auth, UserDraft("a@b@c", "Administrator", "a long enough password", (Role.ADMIN,)))

    with pytest.raises(InvalidArgument):
        await wrong.run()

    assert wrong.pending == "The user cannot be created as described."


async def test_expired_sessions_and_old_attempts_are_forgotten(auth: Auth, alice: User) -> None:
    retention = Retention(auth.store, auth.clock)
    _, tokens = await auth.sign_in.login("alice@example.com", "correct horse battery")
    auth.clock.advance(30 * 86_400 + 1)
    await auth.directory.grant(alice.id, Role.ADMIN, Attempt("admin", "today"))

    dropped = await retention.sweep()

    assert dropped == 2
    assert await retention.sweep() == 0
    with pytest.raises(InvalidRefreshToken):
        await auth.sign_in.refresh(tokens.refresh_token)


@asynccontextmanager
async def running(chores: Chores) -> AsyncIterator[None]:
    stop = asyncio.Event()
    work = asyncio.create_task(chores.run(stop))
    yield
    stop.set()
    async with asyncio.timeout(1):
        await work


async def until(is_so: Callable[[], bool]) -> None:
    async with asyncio.timeout(2):
        while not is_so():
            await asyncio.sleep(0.001)


async def test_chores_prepare_once_the_database_is_back(auth: Auth) -> None:
    away = Preparation(auth.store, AwayKeyring(auth, failures=3), auth.directory, ADMIN)
    chores = Chores(away, Retention(auth.store, auth.clock), retry_seconds=0.001)

    async with running(chores):
        await until(lambda: not away.pending)

    assert not await auth.store.users.is_empty()


async def test_chores_stop_while_the_database_is_away(auth: Auth) -> None:
    away = Preparation(auth.store, AwayKeyring(auth, failures=1000), auth.directory, ADMIN)

    async with running(Chores(away, Retention(auth.store, auth.clock), retry_seconds=60)):
        await asyncio.sleep(0)

    assert away.pending


async def test_chores_sweep_again_and_again(auth: Auth, alice: User) -> None:
    chores = Chores(preparation(auth), Retention(auth.store, auth.clock), sweep_seconds=0.001)

    async with running(chores):
        await until(lambda: len(auth.store._kept.attempts) == 1)
        auth.clock.advance(86_401)
        await until(lambda: not auth.store._kept.attempts)

    assert not auth.store._kept.attempts
