from __future__ import annotations

import asyncio

import jwt
import pytest

from servicekit.clock import ManualClock
from servicekit.context import Role
from servicekit.errors import InvalidArgument
from services.auth.errors import InvalidCredentials, InvalidRefreshToken, TooManyAttempts
from services.auth.model import Attempt, User
from tests.services.auth.fakes import Auth

EMAIL = "alice@example.com"
PASSWORD = "correct horse battery"
THIRTY_DAYS = 30 * 86_400


def roles_in(access_token: str) -> object:
    return jwt.decode(access_token, options={"verify_signature": False})["roles"]


async def test_the_right_password_signs_in(auth: Auth, alice: User) -> None:
    user, tokens = await auth.sign_in.login(EMAIL, PASSWORD)

    assert user == alice
    assert tokens.refresh_token == "secret-1"
    assert tokens.life.total_seconds() == 900
    assert auth.signals.logins == {"succeeded": 1}


async def test_letter_case_of_an_email_is_ignored(auth: Auth, alice: User) -> None:
    user, _ = await auth.sign_in.login("Alice@EXAMPLE.com", PASSWORD)

    assert user == alice


@pytest.mark.parametrize("email", [EMAIL, "nobody@example.com"])
async def test_an_unknown_email_costs_a_comparison_like_a_wrong_password(
    email: str, auth: Auth, alice: User
) -> None:
    with pytest.raises(InvalidCredentials) as refused:
        await auth.sign_in.login(email, "wrong")

    assert refused.value.message == "The email is unknown or the password is wrong."
    assert auth.passwords.comparisons == 1
    assert auth.signals.logins == {"failed": 1}


async def test_guessing_is_stopped_even_with_the_right_password(auth: Auth, alice: User) -> None:
    for _ in range(10):
        with pytest.raises(InvalidCredentials):
            await auth.sign_in.login(EMAIL, "wrong")

    with pytest.raises(TooManyAttempts) as refused:
        await auth.sign_in.login(EMAIL, PASSWORD)

    assert refused.value.retry_after_seconds == 300
    assert auth.passwords.comparisons == 10
    assert auth.signals.logins == {"failed": 10, "throttled": 1}


async def test_unknown_emails_are_throttled_alike(auth: Auth) -> None:
    for _ in range(10):
        with pytest.raises(InvalidCredentials):
            await auth.sign_in.login("nobody@example.com", "wrong")

    with pytest.raises(TooManyAttempts):
        await auth.sign_in.login("NOBODY@example.com", "wrong")


async def test_who_was_throttled_may_try_again_after_a_while(
    auth: Auth, alice: User, clock: ManualClock
) -> None:
    for _ in range(10):
        with pytest.raises(InvalidCredentials):
            await auth.sign_in.login(EMAIL, "wrong")
    clock.advance(300)

    user, _ = await auth.sign_in.login(EMAIL, PASSWORD)

    assert user == alice


async def test_the_right_password_forgives_what_was_mistyped(auth: Auth, alice: User) -> None:
    for _ in range(3):
        for _ in range(9):
            with pytest.raises(InvalidCredentials):
                await auth.sign_in.login(EMAIL, "wrong")
        await auth.sign_in.login(EMAIL, PASSWORD)

    assert auth.signals.logins["throttled"] == 0


async def test_faults_of_a_sign_in_are_told_at_once(auth: Auth) -> None:
    with pytest.raises(InvalidArgument) as refused:
        await auth.sign_in.login("no address", "")

    assert [violation.field for violation in refused.value.violations] == ["email", "email", "password"]


async def test_a_refresh_token_is_exchanged_for_the_next(auth: Auth, alice: User) -> None:
    _, first = await auth.sign_in.login(EMAIL, PASSWORD)

    second = await auth.sign_in.refresh(first.refresh_token)
    third = await auth.sign_in.refresh(second.refresh_token)

    assert len({first.refresh_token, second.refresh_token, third.refresh_token}) == 3


async def test_a_spent_refresh_token_ends_the_session_for_both_who_hold_it(auth: Auth, alice: User) -> None:
    _, stolen = await auth.sign_in.login(EMAIL, PASSWORD)
    newest = await auth.sign_in.refresh(stolen.refresh_token)

    with pytest.raises(InvalidRefreshToken):
        await auth.sign_in.refresh(stolen.refresh_token)

    with pytest.raises(InvalidRefreshToken):
        await auth.sign_in.refresh(newest.refresh_token)
    assert len(auth.signals.reused) == 1


async def test_another_session_of_the_same_user_goes_on(auth: Auth, alice: User) -> None:
    _, stolen = await auth.sign_in.login(EMAIL, PASSWORD)
    _, other = await auth.sign_in.login(EMAIL, PASSWORD)
    await auth.sign_in.refresh(stolen.refresh_token)
    with pytest.raises(InvalidRefreshToken):
        await auth.sign_in.refresh(stolen.refresh_token)

    assert (await auth.sign_in.refresh(other.refresh_token)).access_token


async def test_of_two_refreshes_at_once_one_wins_and_the_session_ends(auth: Auth, alice: User) -> None:
    _, tokens = await auth.sign_in.login(EMAIL, PASSWORD)

    outcomes = await asyncio.gather(
        auth.sign_in.refresh(tokens.refresh_token),
        auth.sign_in.refresh(tokens.refresh_token),
        return_exceptions=True,
    )

    assert sum(isinstance(outcome, InvalidRefreshToken) for outcome in outcomes) == 1
    assert len(auth.signals.reused) == 1


async def test_an_unknown_refresh_token_is_refused(auth: Auth) -> None:
    with pytest.raises(InvalidRefreshToken):
        await auth.sign_in.refresh("never handed out")


async def test_a_session_ends_by_itself_however_often_it_is_refreshed(
    auth: Auth, alice: User, clock: ManualClock
) -> None:
    _, tokens = await auth.sign_in.login(EMAIL, PASSWORD)
    clock.advance(THIRTY_DAYS - 1)
    tokens = await auth.sign_in.refresh(tokens.refresh_token)
    clock.advance(1)

    with pytest.raises(InvalidRefreshToken):
        await auth.sign_in.refresh(tokens.refresh_token)


async def test_any_refresh_token_of_a_session_ends_it(auth: Auth, alice: User) -> None:
    _, first = await auth.sign_in.login(EMAIL, PASSWORD)
    second = await auth.sign_in.refresh(first.refresh_token)

    await auth.sign_in.logout(first.refresh_token)
    await auth.sign_in.logout(first.refresh_token)

    with pytest.raises(InvalidRefreshToken):
        await auth.sign_in.refresh(second.refresh_token)


async def test_signing_out_with_an_unknown_token_is_no_error(auth: Auth, alice: User) -> None:
    _, tokens = await auth.sign_in.login(EMAIL, PASSWORD)

    await auth.sign_in.logout("never handed out")

    assert (await auth.sign_in.refresh(tokens.refresh_token)).access_token


async def test_a_refreshed_token_has_the_roles_of_now(auth: Auth, alice: User) -> None:
    _, tokens = await auth.sign_in.login(EMAIL, PASSWORD)
    await auth.directory.grant(alice.id, Role.MANAGER, Attempt("admin", "k1"))

    refreshed = await auth.sign_in.refresh(tokens.refresh_token)

    assert roles_in(tokens.access_token) == ["cashier"]
    assert roles_in(refreshed.access_token) == ["cashier", "manager"]


async def test_secrets_stand_in_no_repr(auth: Auth, alice: User) -> None:
    user, tokens = await auth.sign_in.login(EMAIL, PASSWORD)
    account = await auth.store.users.account(EMAIL)

    shown = repr((user, tokens, account, await auth.keyring.newest()))

    assert EMAIL not in shown
    assert tokens.refresh_token not in shown
    assert tokens.access_token not in shown
    assert "hash of" not in shown
    assert repr((await auth.keyring.newest()).private) not in shown
