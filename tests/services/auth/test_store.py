"""What every store of auth promises, held to each of them."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from servicekit.clock import uuid7
from servicekit.context import Role
from servicekit.errors import IdempotencyKeyInFlight, IdempotencyKeyReused
from servicekit.postgres import Database
from servicekit.settings import PostgresSettings
from services.auth.errors import EmailTaken, SigningKeySealed, TillNameTaken
from services.auth.model import (
    Account,
    Attempt,
    KeyIssue,
    PresentedToken,
    PublicKey,
    Session,
    SessionId,
    SigningKey,
    Till,
    TillId,
    TokenDigest,
    User,
    UserId,
)
from services.auth.ports import Store
from services.auth.store.memory import MemoryStore
from services.auth.store.postgres import PostgresStore
from services.auth.store.sealing import Sealer

NOW = datetime(2026, 1, 1, 12, 0, 0, 123456, tzinfo=UTC)
FIRST, SECOND = TokenDigest(b"1" * 32), TokenDigest(b"2" * 32)
MakeDatabase = Callable[[str | None], str]


@pytest.fixture
async def database(make_database: MakeDatabase) -> AsyncIterator[Database]:
    database = Database(PostgresSettings(database_url=make_database("services.auth")))
    yield database
    await database.close()


@pytest.fixture(params=["memory", "postgres"])
def store(request: pytest.FixtureRequest) -> Store:
    if request.param == "memory":
        return MemoryStore()
    return PostgresStore(request.getfixturevalue("database"), Sealer(b"s" * 32))


def account(email: str = "a@example.com", *roles: Role) -> Account:
    user = User(UserId(uuid7()), email, "Ä \U0001f600", frozenset(roles or {Role.CUSTOMER}), NOW)
    return Account(user, "hash")


async def kept(store: Store, account: Account) -> Account:
    async with store.transaction() as tables:
        await tables.users.add(account)
    return account


async def session_of(store: Store, user: User) -> Session:
    session = Session(SessionId(uuid7()), user.id, NOW, NOW + timedelta(days=1))
    async with store.transaction() as tables:
        await tables.sessions.open(session, FIRST)
    return session


async def test_a_user_is_found_as_kept(store: Store) -> None:
    one = await kept(store, account("a@example.com", Role.MANAGER, Role.CASHIER))

    assert await store.users.get(one.user.id) == one.user
    assert await store.users.account("a@example.com") == one
    assert await store.users.get(UserId(uuid7())) is None
    assert await store.users.account("b@example.com") is None


async def test_a_store_is_empty_until_it_has_a_user(store: Store) -> None:
    before = await store.users.is_empty()
    await kept(store, account())

    assert before
    assert not await store.users.is_empty()


async def test_an_email_is_unique(store: Store) -> None:
    one = await kept(store, account())

    with pytest.raises(EmailTaken):
        await kept(store, account())

    assert await store.users.account("a@example.com") == one


async def test_what_raises_is_undone(store: Store) -> None:
    async def stop_half_way() -> None:
        async with store.transaction() as tables:
            await tables.users.add(account())
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        await stop_half_way()

    assert await store.users.is_empty()


async def test_what_is_not_kept_yet_is_seen_by_nobody_else(store: Store) -> None:
    async with store.transaction() as tables:
        await tables.users.add(account())
        seen_inside, seen_outside = not await tables.users.is_empty(), not await store.users.is_empty()

    assert (seen_inside, seen_outside) == (True, False)


async def test_roles_are_replaced(store: Store) -> None:
    one = await kept(store, account())

    async with store.transaction() as tables:
        user = await tables.users.lock(one.user.id)
        assert user is not None
        await tables.users.set_roles(user.granted(Role.ADMIN))

    assert await store.users.get(one.user.id) == one.user.granted(Role.ADMIN)


async def test_grants_at_once_lose_none(store: Store) -> None:
    one = await kept(store, account())

    async def grant(role: Role) -> None:
        async with store.transaction() as tables:
            user = await tables.users.lock(one.user.id)
            assert user is not None
            await asyncio.sleep(0.001)
            await tables.users.set_roles(user.granted(role))

    await asyncio.gather(*map(grant, Role))

    user = await store.users.get(one.user.id)
    assert user is not None
    assert user.roles == frozenset(Role)


async def test_pages_go_by_id(store: Store) -> None:
    users = [(await kept(store, account(f"{n}@example.com"))).user for n in range(3)]
    users.sort(key=lambda user: user.id)

    assert await store.users.page(None, 2) == users[:2]
    assert await store.users.page(users[1].id, 2) == users[2:]


async def test_a_refresh_token_leads_to_its_session(store: Store) -> None:
    session = await session_of(store, (await kept(store, account())).user)

    async with store.transaction() as tables:
        assert await tables.sessions.lock(FIRST) == PresentedToken(session, is_spent=False)
        assert await tables.sessions.lock(SECOND) is None


async def test_a_rotated_token_is_spent(store: Store) -> None:
    session = await session_of(store, (await kept(store, account())).user)

    async with store.transaction() as tables:
        await tables.sessions.rotate(session.id, FIRST, SECOND)

    async with store.transaction() as tables:
        assert await tables.sessions.lock(FIRST) == PresentedToken(session, is_spent=True)
        assert await tables.sessions.lock(SECOND) == PresentedToken(session, is_spent=False)


async def test_of_two_who_bring_a_token_at_once_the_second_sees_it_spent(store: Store) -> None:
    session = await session_of(store, (await kept(store, account())).user)

    async def bring(fresh: TokenDigest) -> bool:
        async with store.transaction() as tables:
            presented = await tables.sessions.lock(FIRST)
            assert presented is not None
            await asyncio.sleep(0.001)
            if not presented.is_spent:
                await tables.sessions.rotate(session.id, FIRST, fresh)
            return presented.is_spent

    assert sorted(await asyncio.gather(bring(SECOND), bring(TokenDigest(b"3" * 32)))) == [False, True]


async def test_a_session_ends_once(store: Store) -> None:
    session = await session_of(store, (await kept(store, account())).user)

    async with store.transaction() as tables:
        await tables.sessions.end(session.id, NOW)
        await tables.sessions.end(session.id, NOW + timedelta(hours=1))
        presented = await tables.sessions.lock(FIRST)

    assert presented == PresentedToken(replace(session, ended_at=NOW), is_spent=False)


async def test_an_expired_session_is_forgotten_with_its_tokens(store: Store) -> None:
    session = await session_of(store, (await kept(store, account())).user)

    async with store.transaction() as tables:
        early = await tables.sessions.forget(session.expires_at)
        late = await tables.sessions.forget(session.expires_at + timedelta(seconds=1))
        assert await tables.sessions.lock(FIRST) is None

    assert (early, late) == (0, 1)


async def test_the_first_answer_to_an_attempt_is_kept(store: Store) -> None:
    one, other = account("a@example.com", Role.ADMIN), account("b@example.com")
    attempt = Attempt("admin", "k1", b"fingerprint")

    async with store.transaction() as tables:
        first = await tables.attempts.keep(attempt, one.user, NOW)
    async with store.transaction() as tables:
        again = await tables.attempts.keep(attempt, other.user, NOW)
        elsewhere = await tables.attempts.keep(replace(attempt, caller="other"), other.user, NOW)

    assert (first, again, elsewhere) == (None, one.user, None)


async def test_an_attempt_with_another_fingerprint_is_refused(store: Store) -> None:
    attempt = Attempt("admin", "k1", b"fingerprint")
    async with store.transaction() as tables:
        await tables.attempts.keep(attempt, account().user, NOW)

    with pytest.raises(IdempotencyKeyReused):
        async with store.transaction() as tables:
            await tables.attempts.keep(replace(attempt, fingerprint=b"other"), account().user, NOW)


async def test_attempts_at_once_see_one_answer(store: Store) -> None:
    attempt = Attempt("admin", "k1", b"fingerprint")

    async def answer(user: User) -> User:
        async with store.transaction() as tables:
            earlier = await tables.attempts.keep(attempt, user, NOW)
            await asyncio.sleep(0.001)
            return earlier or user

    answers = await asyncio.gather(*(answer(account(f"{n}@example.com").user) for n in range(5)))

    assert len(set(answers)) == 1


async def test_old_attempts_are_forgotten(store: Store) -> None:
    async with store.transaction() as tables:
        await tables.attempts.keep(Attempt("admin", "k1", b"f"), account().user, NOW)
        early = await tables.attempts.forget(NOW)
        late = await tables.attempts.forget(NOW + timedelta(seconds=1))

    assert (early, late) == (0, 1)


def signing_key(number: int) -> SigningKey:
    return SigningKey(bytes([number]) * 32, PublicKey(bytes([100 + number]) * 32), NOW)


async def test_of_several_first_keys_one_is_kept(store: Store) -> None:
    async def add(number: int) -> None:
        async with store.transaction() as tables:
            await tables.signing_keys.add_first(signing_key(number))
            await asyncio.sleep(0.01)  # not kept yet: the others must wait for it

    await asyncio.gather(*map(add, range(5)))

    keys = await store.signing_keys.all()
    assert len(keys) == 1
    assert keys[0] in [signing_key(number) for number in range(5)]


async def test_a_private_key_lies_sealed_in_the_database(database: Database) -> None:
    async with PostgresStore(database, Sealer(b"s" * 32)).transaction() as tables:
        await tables.signing_keys.add_first(signing_key(1))

    with pytest.raises(SigningKeySealed):
        await PostgresStore(database, Sealer(b"t" * 32)).signing_keys.all()


async def test_an_attempt_does_not_wait_for_ever_for_another(database: Database) -> None:
    store = PostgresStore(database, Sealer(b"s" * 32))
    attempt = Attempt("admin", "k1", b"fingerprint")

    async with store.transaction() as frozen:
        await frozen.attempts.keep(attempt, account().user, NOW)
        with pytest.raises(IdempotencyKeyInFlight):
            async with store.transaction() as tables:
                await tables.attempts.keep(attempt, account().user, NOW)


async def till_of(store: Store, name: str = "Till 1") -> Till:
    till = Till(TillId(uuid7()), name, NOW)
    async with store.transaction() as tables:
        await tables.tills.add(till)
    return till


async def test_a_till_is_found_as_kept(store: Store) -> None:
    till = await till_of(store)

    assert await store.tills.get(till.id) == till
    assert await store.tills.get(TillId(uuid7())) is None
    assert await store.tills.lock(TillId(uuid7())) is None
    with pytest.raises(TillNameTaken):
        await till_of(store)


async def test_tills_are_paged_by_name(store: Store) -> None:
    for name in ("b", "c", "a"):
        await till_of(store, name)

    assert [till.name for till in await store.tills.page(None, 2)] == ["a", "b"]
    assert [till.name for till in await store.tills.page("b", 2)] == ["c"]


async def test_replaced_keys_are_told_until_they_are_forgotten(store: Store) -> None:
    till = await till_of(store)
    async with store.transaction() as tables:
        assert await tables.tills.lock(till.id) == KeyIssue(till, 1)
        await tables.tills.issue(KeyIssue(till, 2), NOW)

    assert await store.tills.keys(till.id, NOW - timedelta(seconds=1)) == [2, 1]
    assert await store.tills.keys(till.id, NOW) == [2]
    await store.tills.forget_keys(NOW + timedelta(seconds=1))
    assert (await store.tills.lock(till.id)) == KeyIssue(till, 2)
    assert await store.tills.keys(till.id, NOW) == [2]


async def test_rotations_at_once_each_make_a_key_of_their_own(store: Store) -> None:
    till = await till_of(store)

    async def rotate() -> int:
        async with store.transaction() as tables:
            newest = await tables.tills.lock(till.id)
            assert newest is not None
            await tables.tills.issue(newest.next(), NOW)
            return newest.next().number

    assert sorted(await asyncio.gather(*(rotate() for _ in range(5)))) == [2, 3, 4, 5, 6]


async def test_an_attempt_is_answered_with_the_key_issue_of_the_first(store: Store) -> None:
    till = await till_of(store)
    attempt = Attempt("mary", "k1", b"f")
    async with store.transaction() as tables:
        assert await tables.attempts.keep(attempt, KeyIssue(till, 2), NOW) is None

    async with store.transaction() as tables:
        assert await tables.attempts.keep(attempt, KeyIssue(till, 3), NOW) == KeyIssue(till, 2)
