from __future__ import annotations

import asyncio
from collections.abc import Iterator

import pytest

from servicekit.clock import SystemClock
from services.auth.usecases.passwords import Argon2Passwords
from tests.services.auth.fakes import SeenSignals


@pytest.fixture
def signals() -> SeenSignals:
    return SeenSignals()


@pytest.fixture
def passwords(signals: SeenSignals) -> Iterator[Argon2Passwords]:
    passwords = Argon2Passwords(1, lambda: "decoy", SystemClock(), signals)
    yield passwords
    passwords.close()


async def test_a_hash_is_argon2id_with_the_stated_cost(passwords: Argon2Passwords) -> None:
    assert (await passwords.hash("secret")).startswith("$argon2id$v=19$m=19456,t=2,p=1$")


async def test_only_the_same_password_matches(passwords: Argon2Passwords) -> None:
    kept = await passwords.hash("secret")

    assert await passwords.matches("secret", kept)
    assert not await passwords.matches("Secret", kept)


async def test_equal_passwords_have_different_hashes(passwords: Argon2Passwords) -> None:
    assert await passwords.hash("secret") != await passwords.hash("secret")


@pytest.mark.parametrize("password", ["secret", "decoy"])
async def test_without_a_hash_nothing_matches_and_the_work_is_done_all_the_same(
    password: str, passwords: Argon2Passwords, signals: SeenSignals
) -> None:
    assert not await passwords.matches(password, None)
    assert len(signals.hashes) == 1


async def test_the_loop_answers_while_passwords_are_hashed(passwords: Argon2Passwords) -> None:
    hashing = asyncio.gather(*(passwords.hash("secret") for _ in range(5)))
    turns = 0
    while not hashing.done():
        await asyncio.sleep(0)
        turns += 1

    # Hashed on the loop, five hashes would leave it some five turns.
    assert turns > 50


async def test_a_caller_that_gives_up_leaves_the_queue(
    passwords: Argon2Passwords, signals: SeenSignals
) -> None:
    running = asyncio.create_task(passwords.hash("first"))
    waiting = [asyncio.create_task(passwords.hash("later")) for _ in range(50)]
    await asyncio.sleep(0)

    for task in waiting:
        task.cancel()
    await running
    await passwords.hash("next")

    assert len(signals.hashes) == 2
