"""Batches of sales: taken at once or named row by row, never the same sale twice, never too many."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from servicekit.errors import InvalidArgument, PeerUnavailable
from servicekit.postgres import Database
from services.orders.errors import OfflineQueueFull, UnknownTill
from services.orders.model.offline import Gap, Intake, RefusalReason
from services.orders.store.memory.offline import MemoryOfflineQueue
from services.orders.store.postgres.offline import PostgresOfflineQueue
from services.orders.usecases.offline import Limits
from services.orders.usecases.offline.keeping import KEPT
from services.orders.wire import offline as offline_wire
from tests.services.orders.offline import OTHER_TILL, SALE_TIME, TILL, OfflineShop, message_of, sent


@pytest.fixture(params=["memory", "postgres"])
def shop(request: pytest.FixtureRequest) -> OfflineShop:
    """The queue on each store."""
    if request.param == "memory":
        return OfflineShop(MemoryOfflineQueue())
    database: Database = request.getfixturevalue("database")
    return OfflineShop(PostgresOfflineQueue(database))


def reasons(intake: Intake) -> list[tuple[int, int, str]]:
    return [(refused.index, refused.sequence, refused.reason) for refused in intake.refused]


async def test_a_batch_is_kept_and_waits(shop: OfflineShop) -> None:
    intake = await shop.send(*(sent(number) for number in range(1, 1001)))

    assert intake == Intake(accepted=1000, repeated=0, refused=())
    assert (await shop.report()).waiting == 1000


async def test_sending_a_batch_again_keeps_nothing_new(shop: OfflineShop) -> None:
    await shop.send(sent(1), sent(2))

    again = await shop.send(sent(1), sent(2), sent(3))

    assert again == Intake(accepted=1, repeated=2, refused=())
    assert (await shop.report()).waiting == 3


async def test_another_sale_under_a_used_number_is_refused_alone(shop: OfflineShop) -> None:
    await shop.send(sent(1), sent(2))

    intake = await shop.send(sent(3), sent(2, quantity=2), sent(4))

    assert reasons(intake) == [(1, 2, RefusalReason.SEQUENCE_REUSED)]
    assert intake.accepted == 2


async def test_a_number_twice_in_one_batch_is_the_same_as_twice(shop: OfflineShop) -> None:
    intake = await shop.send(sent(1), sent(1), sent(1, quantity=2))

    assert (intake.accepted, intake.repeated) == (1, 1)
    assert reasons(intake) == [(2, 1, RefusalReason.SEQUENCE_REUSED)]


async def test_a_bad_row_is_named_with_all_its_faults_and_the_others_are_taken(shop: OfflineShop) -> None:
    bad = message_of(2, "tea", quantity=0, charged=0, currency="euro")
    bad.ClearField("sale_time")
    bad.order.till_id = OTHER_TILL
    bad.age_check.method = "a good look"

    intake = await shop.send(sent(1), offline_wire.sale_of(bad, TILL), sent(3))

    assert intake.accepted == 2
    assert reasons(intake) == [(1, 2, RefusalReason.INVALID_ARGUMENT)]
    assert {fault.field for fault in intake.refused[0].faults} == {
        "sale_time",
        "age_check.method",
        "charged.currency_code",
        "charged.minor_units",
        "order.till_id",
        "order.lines[0].sku",
        "order.lines[0].quantity",
    }


@pytest.mark.parametrize("sequence", [0, -1, -(2**63)])
async def test_numbers_count_up_from_one(shop: OfflineShop, sequence: int) -> None:
    intake = await shop.send(sent(sequence))

    assert reasons(intake) == [(0, sequence, RefusalReason.INVALID_ARGUMENT)]


async def test_a_time_that_no_calendar_has_is_a_fault_of_its_row(shop: OfflineShop) -> None:
    bad = message_of(1)
    bad.sale_time.seconds = 2**60

    intake = await shop.send(offline_wire.sale_of(bad, TILL))

    assert [fault.field for fault in intake.refused[0].faults] == ["sale_time"]


async def test_the_largest_numbers_are_kept_whole(shop: OfflineShop) -> None:
    await shop.send(sent(2**63 - 1, charged=2**63 - 1))
    await shop.work()

    (conflict,) = (await shop.report()).conflicts
    assert conflict.sequence == 2**63 - 1
    assert conflict.charged.minor_units == 2**63 - 1


@pytest.mark.parametrize("count", [0, 1001])
async def test_a_batch_has_one_to_a_thousand_sales(shop: OfflineShop, count: int) -> None:
    with pytest.raises(InvalidArgument) as refused:
        await shop.send(*(sent(number + 1) for number in range(count)))

    assert [fault.field for fault in refused.value.violations] == ["sales"]


@pytest.mark.parametrize("till", ["01890000-0000-7000-8000-00000000000f", "till-1", ""])
async def test_an_unknown_till_is_refused(shop: OfflineShop, till: str) -> None:
    with pytest.raises(UnknownTill):
        await shop.send(sent(1), till=till)

    assert shop.signals.refused == ["UNKNOWN_TILL"]


async def test_while_nobody_can_tell_of_tills_their_sales_stay_with_them(shop: OfflineShop) -> None:
    shop.tills.is_away = True

    with pytest.raises(PeerUnavailable):
        await shop.send(sent(1))

    shop.tills.is_away = False
    assert (await shop.report()).waiting == 0


@pytest.mark.parametrize("limits", [Limits(per_till=3, in_total=100), Limits(per_till=100, in_total=3)])
async def test_a_full_queue_takes_nothing_of_a_batch_and_says_when_to_return(
    shop: OfflineShop, limits: Limits
) -> None:
    shop.limits = limits
    await shop.send(sent(1), sent(2))

    with pytest.raises(OfflineQueueFull) as refused:
        await shop.send(sent(1), sent(3), sent(4))

    assert refused.value.retry_after_seconds
    assert refused.value.metadata == {"waiting": "2", "limit": "3"}
    assert (await shop.report()).waiting == 2
    await shop.work()
    assert (await shop.send(sent(1), sent(3), sent(4))).accepted == 2


async def test_what_is_kept_already_needs_no_room(shop: OfflineShop) -> None:
    shop.limits = Limits(per_till=2, in_total=2)
    await shop.send(sent(1), sent(2))

    assert (await shop.send(sent(1), sent(2))).repeated == 2


async def test_the_bound_holds_for_batches_at_once(shop: OfflineShop) -> None:
    shop.limits = Limits(per_till=100, in_total=25)

    async def send(number: int) -> int:
        till = (TILL, OTHER_TILL)[number % 2]
        batch = [sent(10 * number + each, till=till) for each in range(1, 11)]
        try:
            return (await shop.send(*batch, till=till)).accepted
        except OfflineQueueFull:
            return 0

    taken = await asyncio.gather(*(send(number) for number in range(6)))

    assert sorted(taken) == [0, 0, 0, 0, 10, 10]


async def test_one_number_sent_by_many_at_once_is_kept_once(shop: OfflineShop) -> None:
    intakes = await asyncio.gather(*(shop.send(sent(1)) for _ in range(10)))

    assert sorted((one.accepted, one.repeated) for one in intakes) == [(0, 1)] * 9 + [(1, 0)]


async def test_tills_number_their_sales_by_themselves(shop: OfflineShop) -> None:
    await shop.send(sent(1))
    intake = await shop.send(sent(1, quantity=2, till=OTHER_TILL), till=OTHER_TILL)

    assert intake.accepted == 1


async def test_missing_numbers_are_reported_until_they_arrive(shop: OfflineShop) -> None:
    await shop.send(sent(3), sent(4), sent(8))
    before = (await shop.report()).gaps

    await shop.send(sent(1), sent(2), sent(6))

    assert before == (Gap(1, 2), Gap(5, 7))
    assert (await shop.report()).gaps == (Gap(5, 5), Gap(7, 7))


async def test_a_till_that_never_sent_any_has_an_empty_report(shop: OfflineShop) -> None:
    report = await shop.report()

    assert (report.waiting, report.completed, report.conflicted, report.gaps) == (0, 0, 0, ())
    with pytest.raises(UnknownTill):
        await shop.report("till-1")


async def test_the_time_of_the_till_is_kept_for_people(shop: OfflineShop) -> None:
    await shop.send(sent(1, charged=1))
    await shop.work()

    (conflict,) = (await shop.report()).conflicts
    assert conflict.sale_time == SALE_TIME


async def test_what_ended_long_ago_is_forgotten_but_not_that_it_was(shop: OfflineShop) -> None:
    await shop.send(sent(1), sent(2, charged=1), sent(4))
    await shop.work()
    shop.clock.advance(KEPT.total_seconds() + 1)
    await shop.send(sent(5))

    await shop.keeping.forget()

    report = await shop.report()
    assert (report.waiting, report.completed, report.conflicted, report.gaps) == (1, 0, 0, ())
    late = await shop.send(sent(1), sent(3), sent(5), sent(6))
    assert reasons(late) == [
        (0, 1, RefusalReason.SEQUENCE_FORGOTTEN),
        (1, 3, RefusalReason.SEQUENCE_FORGOTTEN),
    ]
    assert (late.accepted, late.repeated) == (1, 1)


async def test_what_still_waits_is_never_forgotten(shop: OfflineShop) -> None:
    await shop.send(sent(1))
    shop.clock.advance(2 * KEPT.total_seconds())

    await shop.keeping.forget()

    assert (await shop.report()).waiting == 1


async def test_the_queue_is_measured_without_synthetic_sales(shop: OfflineShop) -> None:
    await shop.send(sent(1))
    shop.clock.advance(30)
    await shop.send(sent(2), sent(3))
    await shop.send(sent(1, till=OTHER_TILL), till=OTHER_TILL, synthetic=True)

    await shop.keeping.measure()
    await shop.work()
    await shop.keeping.measure()

    assert [(depth.waiting, depth.oldest_seconds) for depth in shop.signals.depths] == [(3, 30), (0, 0)]


async def test_batches_are_counted_but_not_synthetic_ones(shop: OfflineShop) -> None:
    await shop.send(sent(1), sent(2, quantity=0))
    await shop.send(sent(1))
    await shop.send(sent(3), synthetic=True)

    assert shop.signals.taken == [(1, 0, 1), (0, 1, 0)]


async def test_a_sale_is_the_same_whether_or_not_it_names_its_till() -> None:
    named = message_of(1)
    named.order.till_id = TILL

    assert offline_wire.sale_of(named, TILL) == sent(1)


async def test_a_batch_of_a_thousand_is_taken_within_a_second(database: Database) -> None:
    shop = OfflineShop(PostgresOfflineQueue(database))
    batch: list[Any] = [sent(number) for number in range(1, 1001)]
    begun = datetime.now(UTC)

    await shop.send(*batch)

    assert datetime.now(UTC) - begun < timedelta(seconds=1)
