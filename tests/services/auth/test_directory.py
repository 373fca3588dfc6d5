from __future__ import annotations

import asyncio
from dataclasses import replace

import pytest

from servicekit.context import Role
from servicekit.errors import IdempotencyKeyReused, InvalidArgument
from services.auth.errors import EmailTaken, UserNotFound
from services.auth.model import Attempt, User, UserDraft, UserId
from services.auth.usecases.directory import keyed_fingerprint
from services.auth.usecases.validation import page_token
from tests.services.auth.fakes import Auth

BOB = UserDraft("Bob@Example.com", "Bob", "a long enough password", (Role.CUSTOMER, Role.CASHIER))
FIRST = Attempt("admin", "k1")


async def test_a_user_is_created_with_an_email_in_lower_case(auth: Auth) -> None:
    user = await auth.directory.create(BOB, FIRST)

    assert user.email == "bob@example.com"
    assert user.roles == {Role.CUSTOMER, Role.CASHIER}
    assert await auth.directory.get(user.id) == user


async def test_a_user_can_sign_in_once_created(auth: Auth) -> None:
    created = await auth.directory.create(BOB, FIRST)

    user, _ = await auth.sign_in.login(BOB.email, BOB.password)

    assert user == created


async def test_repeating_an_attempt_answers_the_same_and_creates_once(auth: Auth) -> None:
    first = await auth.directory.create(BOB, FIRST)
    again = await auth.directory.create(BOB, FIRST)

    assert again == first
    assert (await auth.directory.page(0, "")).users == (first,)


async def test_attempts_at_once_create_once(auth: Auth) -> None:
    users = await asyncio.gather(*(auth.directory.create(BOB, FIRST) for _ in range(5)))

    assert len(set(users)) == 1


@pytest.mark.parametrize(
    "changed", [replace(BOB, display_name="Robert"), replace(BOB, password="another long password")]
)
async def test_a_key_is_for_one_request(changed: UserDraft, auth: Auth) -> None:
    await auth.directory.create(BOB, FIRST)

    with pytest.raises(IdempotencyKeyReused):
        await auth.directory.create(changed, FIRST)


async def test_a_key_of_another_caller_is_another_key(auth: Auth) -> None:
    await auth.directory.create(BOB, FIRST)

    with pytest.raises(EmailTaken):
        await auth.directory.create(BOB, Attempt("other admin", "k1"))


async def test_an_email_is_taken_whatever_its_letter_case(auth: Auth) -> None:
    await auth.directory.create(BOB, FIRST)

    with pytest.raises(EmailTaken):
        await auth.directory.create(replace(BOB, email="BOB@example.com"), Attempt("admin", "k2"))


async def test_a_refused_attempt_leaves_its_key_free(auth: Auth) -> None:
    await auth.directory.create(BOB, FIRST)
    with pytest.raises(EmailTaken):
        await auth.directory.create(BOB, Attempt("admin", "k2"))

    carol = await auth.directory.create(replace(BOB, email="carol@example.com"), Attempt("admin", "k2"))

    assert carol.email == "carol@example.com"


async def test_faults_of_a_user_are_told_at_once_and_nothing_is_kept(auth: Auth) -> None:
    with pytest.raises(InvalidArgument) as refused:
        await auth.directory.create(UserDraft("nobody", " ", "short", (Role.CASHIER, None)), FIRST)

    fields = [violation.field for violation in refused.value.violations]
    assert fields == ["email", "display_name", "password", "roles[1]"]
    assert await auth.store.users.is_empty()


@pytest.mark.parametrize("key", ["", "k" * 256])
async def test_a_key_that_cannot_be_kept_is_refused(key: str, auth: Auth) -> None:
    with pytest.raises(InvalidArgument):
        await auth.directory.create(BOB, Attempt("admin", key))


async def test_a_role_is_granted_and_signalled(auth: Auth, alice: User) -> None:
    granted = await auth.directory.grant(alice.id, Role.ENGINEER, FIRST)

    assert granted.ordered_roles() == [Role.CASHIER, Role.ENGINEER]
    assert await auth.directory.get(alice.id) == granted
    assert auth.signals.granted == [(alice.id, Role.ENGINEER, "admin")]


async def test_granting_a_role_that_the_user_has_changes_nothing(auth: Auth, alice: User) -> None:
    granted = await auth.directory.grant(alice.id, Role.CASHIER, FIRST)

    assert granted == alice
    assert auth.signals.granted == []


async def test_repeating_a_grant_gives_the_stored_answer(auth: Auth, alice: User) -> None:
    first = await auth.directory.grant(alice.id, Role.MANAGER, FIRST)
    await auth.directory.grant(alice.id, Role.ENGINEER, Attempt("admin", "k2"))

    again = await auth.directory.grant(alice.id, Role.MANAGER, FIRST)

    assert again == first
    assert (await auth.directory.get(alice.id)).roles == {Role.CASHIER, Role.MANAGER, Role.ENGINEER}


async def test_the_key_of_a_grant_is_for_one_role(auth: Auth, alice: User) -> None:
    await auth.directory.grant(alice.id, Role.MANAGER, FIRST)

    with pytest.raises(IdempotencyKeyReused):
        await auth.directory.grant(alice.id, Role.ADMIN, FIRST)

    assert Role.ADMIN not in (await auth.directory.get(alice.id)).roles


async def test_an_unknown_role_is_refused(auth: Auth, alice: User) -> None:
    with pytest.raises(InvalidArgument) as refused:
        await auth.directory.grant(alice.id, None, FIRST)

    assert [violation.field for violation in refused.value.violations] == ["role"]


@pytest.mark.parametrize("user_id", ["", "nobody", "00000000-0000-7000-8000-ffffffffffff", "' OR 1=1"])
async def test_an_unknown_user_is_not_found(user_id: str, auth: Auth) -> None:
    with pytest.raises(UserNotFound):
        await auth.directory.get(user_id)
    with pytest.raises(UserNotFound):
        await auth.directory.grant(user_id, Role.ADMIN, FIRST)


async def test_pages_hold_each_user_once_oldest_first(auth: Auth) -> None:
    made = [
        await auth.directory.create(replace(BOB, email=f"user{n}@example.com"), Attempt("admin", f"k{n}"))
        for n in range(5)
    ]

    seen: list[UserId] = []
    token = ""
    while True:
        page = await auth.directory.page(2, token)
        seen += [user.id for user in page.users]
        if page.next_after is None:
            break
        token = page_token(page.next_after)

    assert seen == [user.id for user in made]


@pytest.mark.parametrize("size", [-1, 1001])
async def test_a_page_that_cannot_be_is_refused(size: int, auth: Auth) -> None:
    with pytest.raises(InvalidArgument) as refused:
        await auth.directory.page(size, "")

    assert [violation.field for violation in refused.value.violations] == ["page_size"]


@pytest.mark.parametrize("token", ["x", "not a token", "AAAA", "é", "A" * 500])
async def test_a_page_token_that_we_never_gave_is_refused(token: str, auth: Auth) -> None:
    with pytest.raises(InvalidArgument) as refused:
        await auth.directory.page(10, token)

    assert [violation.field for violation in refused.value.violations] == ["page_token"]


def test_a_fingerprint_needs_its_key() -> None:
    ours, theirs = keyed_fingerprint(b"a" * 32), keyed_fingerprint(b"b" * 32)

    assert ours("CreateUser", "x") == ours("CreateUser", "x")
    assert ours("CreateUser", "x") != ours("CreateUser", "y")
    assert ours("CreateUser", "x") != theirs("CreateUser", "x")
    assert ours("a", "bc") != ours("ab", "c")
