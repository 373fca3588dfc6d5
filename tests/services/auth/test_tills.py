"""Tills and their keys: shown once, replaced with an overlap, kept nowhere."""

from __future__ import annotations

from datetime import timedelta

import pytest

from servicekit.clock import ManualClock
from servicekit.errors import IdempotencyKeyReused, InvalidArgument
from services.auth.errors import TillNameTaken, TillNotFound
from services.auth.model import Attempt, KeyIssue, Till, TillId
from services.auth.usecases.tills import OVERLAP, TillKeys
from tests.services.auth.fakes import Auth

TILL_1 = TillId("00000000-0000-7000-8000-000000000001")
TILL_2 = TillId("00000000-0000-7000-8000-000000000002")


def by(key: str) -> Attempt:
    return Attempt("mary", key)


async def test_a_till_is_recognised_by_the_key_that_it_was_given(auth: Auth) -> None:
    till, key = await auth.tills.create("Till 1", by("k1"))

    assert (await auth.tills.check(till.id, key)).key_holds
    assert not (await auth.tills.check(till.id, key[:-1])).key_holds
    assert not (await auth.tills.check(till.id, "")).key_holds
    assert (await auth.tills.check(till.id, "")).till == till


async def test_repeating_an_attempt_shows_the_same_till_and_key(auth: Auth) -> None:
    first = await auth.tills.create("Till 1", by("k1"))
    again = await auth.tills.create("Till 1", by("k1"))

    assert again == first
    assert len((await auth.tills.page(0, "")).tills) == 1


async def test_a_key_used_for_another_till_is_refused(auth: Auth) -> None:
    await auth.tills.create("Till 1", by("k1"))

    with pytest.raises(IdempotencyKeyReused):
        await auth.tills.create("Till 2", by("k1"))


async def test_a_name_is_given_once(auth: Auth) -> None:
    await auth.tills.create("Till 1", by("k1"))

    with pytest.raises(TillNameTaken):
        await auth.tills.create("Till 1", by("k2"))


@pytest.mark.parametrize("name", ["", "  ", "x" * 101, "a\x00b", "a\nb"])
async def test_a_name_that_nobody_can_read_is_refused(auth: Auth, name: str) -> None:
    with pytest.raises(InvalidArgument) as refused:
        await auth.tills.create(name, by("k1"))

    assert {fault.field for fault in refused.value.violations} == {"name"}


async def test_a_replaced_key_works_for_five_more_minutes(auth: Auth, clock: ManualClock) -> None:
    till, old = await auth.tills.create("Till 1", by("k1"))

    new = await auth.tills.rotate_key(till.id, by("k2"))
    clock.advance(OVERLAP.total_seconds() - 1)
    both = [(await auth.tills.check(till.id, key)).key_holds for key in (old, new)]
    clock.advance(1)
    later = [(await auth.tills.check(till.id, key)).key_holds for key in (old, new)]

    assert both == [True, True]
    assert later == [False, True]


async def test_each_of_several_replaced_keys_has_its_five_minutes(auth: Auth, clock: ManualClock) -> None:
    till, first = await auth.tills.create("Till 1", by("k1"))
    second = await auth.tills.rotate_key(till.id, by("k2"))
    clock.advance(60)
    third = await auth.tills.rotate_key(till.id, by("k3"))

    clock.advance(OVERLAP.total_seconds() - 30)

    assert [(await auth.tills.check(till.id, key)).key_holds for key in (first, second, third)] == [
        False,
        True,
        True,
    ]


async def test_repeating_a_rotation_replaces_once(auth: Auth) -> None:
    till, _ = await auth.tills.create("Till 1", by("k1"))

    first = await auth.tills.rotate_key(till.id, by("k2"))
    again = await auth.tills.rotate_key(till.id, by("k2"))
    other = await auth.tills.rotate_key(till.id, by("k3"))

    assert first == again != other


@pytest.mark.parametrize("till_id", [TILL_1, "till-1", ""])
async def test_a_till_that_is_not_there_is_not_found(auth: Auth, till_id: str) -> None:
    with pytest.raises(TillNotFound):
        await auth.tills.check(till_id, "")
    with pytest.raises(TillNotFound):
        await auth.tills.rotate_key(till_id, by("k1"))


async def test_tills_are_listed_by_name_page_by_page(auth: Auth) -> None:
    for name in ("Till b", "Till ä", "Till a"):
        await auth.tills.create(name, by(name))

    first = await auth.tills.page(2, "")
    assert [till.name for till in first.tills] == ["Till a", "Till b"]
    assert first.next_after == "Till b"


@pytest.mark.parametrize(("size", "token"), [(-1, ""), (1001, ""), (1, "?"), (1, "/w")])
async def test_a_page_that_cannot_be_is_refused(auth: Auth, size: int, token: str) -> None:
    with pytest.raises(InvalidArgument):
        await auth.tills.page(size, token)


def test_keys_differ_by_till_number_and_secret() -> None:
    keys = TillKeys(b"a" * 32)

    assert keys.key(TILL_1, 1) == TillKeys(b"a" * 32).key(TILL_1, 1)
    others = {keys.key(TILL_1, 2), keys.key(TILL_2, 1), TillKeys(b"b" * 32).key(TILL_1, 1)}
    assert keys.key(TILL_1, 1) not in others
    assert len(others) == 3


def test_no_key_stands_in_what_is_kept(clock: ManualClock) -> None:
    issue = KeyIssue(Till(TILL_1, "Till 1", clock.now() - timedelta(days=1)), 1)

    assert TillKeys(b"a" * 32).key(TILL_1, 1) not in repr(issue)
