"""One contract, held by PostgreSQL and by its fake in memory."""

import asyncio
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from servicekit.clock import uuid7
from servicekit.postgres import Database
from services.payments.model import (
    Attempt,
    AttemptId,
    Authorized,
    Declined,
    Doubt,
    Money,
    Operation,
    OrderId,
    Payment,
    ProviderId,
    Unknown,
)
from services.payments.ports import Store
from services.payments.store.memory import MemoryStore
from tests.services.payments.fakes import VISA
from tests.services.payments.real import postgres_store

NOW = datetime(2026, 11, 23, 12, 0, 0, 123456, tzinfo=UTC)
LARGEST = Money("EUR", 2**63 - 1)


@pytest.fixture(params=["memory", "postgres"])
def store(request: pytest.FixtureRequest) -> Store:
    if request.param == "memory":
        return MemoryStore()
    open_database: Callable[[str], Database] = request.getfixturevalue("open_database")
    return postgres_store(open_database("services.payments"))


def unknown(amount: Money = LARGEST) -> Payment:
    return Payment.of_order(OrderId(uuid7()), amount, VISA, NOW).asked(Operation.AUTHORIZE, NOW)


async def test_a_payment_comes_back_as_it_was_kept(store: Store) -> None:
    payment = unknown()

    async with store.transaction() as unit:
        assert await unit.add_or_lock(payment) == payment

    assert await store.find(payment.id) == payment


async def test_the_first_payment_of_an_id_stays(store: Store) -> None:
    first = unknown()
    second = replace(first, payment_method="pm_other")
    async with store.transaction() as unit:
        await unit.add_or_lock(first)

    async with store.transaction() as unit:
        assert await unit.add_or_lock(second) == first

    assert await store.find(first.id) == first


async def test_new_states_are_kept(store: Store) -> None:
    payment = unknown()
    authorized = payment.settled(Authorized(ProviderId("pi_1")), NOW + timedelta(seconds=1))
    async with store.transaction() as unit:
        await unit.add_or_lock(payment)

    async with store.transaction() as unit:
        await unit.save(authorized)
        assert await unit.lock(payment.id) == authorized

    assert await store.find(payment.id) == authorized


async def test_a_decline_is_kept_with_its_reason(store: Store) -> None:
    declined = unknown().settled(Declined("lost_card"), NOW)

    async with store.transaction() as unit:
        await unit.add_or_lock(declined)

    assert await store.find(declined.id) == declined


async def test_what_fails_is_undone(store: Store) -> None:
    payment = unknown()

    async def fail() -> None:
        async with store.transaction() as unit:
            await unit.add_or_lock(payment)
            raise LookupError

    with pytest.raises(LookupError):
        await fail()

    assert await store.find(payment.id) is None


async def test_a_locked_payment_is_ours_alone(store: Store) -> None:
    payment = unknown()
    authorized = payment.settled(Authorized(ProviderId("pi_1")), NOW)
    locked = asyncio.Event()

    async def settle() -> None:
        async with store.transaction() as unit:
            await unit.add_or_lock(payment)
            locked.set()
            await asyncio.sleep(0.05)
            await unit.save(authorized)

    async def come_second() -> Payment | None:
        await locked.wait()
        async with store.transaction() as unit:
            return await unit.add_or_lock(payment)

    _, seen = await asyncio.gather(settle(), come_second())

    assert seen == authorized


async def test_nothing_is_found_where_nothing_is_kept(store: Store) -> None:
    payment = unknown()

    assert await store.find(payment.id) is None
    assert await store.attempts(payment.id) == []
    async with store.transaction() as unit:
        assert await unit.lock(payment.id) is None


async def test_attempts_come_back_in_their_order_with_what_came_of_them(store: Store) -> None:
    payment = unknown()
    first = Attempt.at(AttemptId(uuid7()), payment, Operation.AUTHORIZE, NOW)
    second = Attempt.at(AttemptId(uuid7()), payment, Operation.CAPTURE, NOW + timedelta(seconds=1))
    ended = first.ended(Unknown(Doubt.TIMEOUT), NOW + timedelta(seconds=1))
    async with store.transaction() as unit:
        await unit.add_or_lock(payment)
        await unit.add_attempt(first)
        await unit.add_attempt(second)

    async with store.transaction() as unit:
        await unit.save_attempt(ended)

    assert await store.attempts(payment.id) == [ended, second]
