"""Who is heard, what ends, and what is refused, without any protocol."""

from __future__ import annotations

import tracemalloc
from collections.abc import Iterable

import numpy as np
import pytest
from typing_extensions import override

from servicekit.clock import ManualClock
from services.monitoring.ingest import (
    Batch,
    Intake,
    Limits,
    Protocol,
    Reason,
    Receipt,
    Refused,
    Sender,
    Signals,
)
from services.monitoring.promql import STALE_NAN_BITS, Labels, Matcher
from services.monitoring.windows import Bounds, Windows

ORDERS = Sender("orders", "1")
AUTH = Sender("auth", "1")
PERIOD = 5.0
ALL = [Matcher("__name__", "=~", ".+")]


class RecordedSignals(Signals):
    def __init__(self) -> None:
        self.accepted = 0
        self.refused: list[Refused] = []
        self.log: list[tuple[str, Sender]] = []
        self.count: dict[str, int] = {}

    @override
    def points_received(self, protocol: Protocol, accepted: int, refused: Iterable[Refused]) -> None:
        self.accepted += accepted
        self.refused += refused

    @override
    def sender_fell_silent(self, sender: Sender) -> None:
        self.log.append(("silent", sender))

    @override
    def sender_was_heard(self, sender: Sender) -> None:
        self.log.append(("heard", sender))

    @override
    def senders(self, *, heard: int, silent: int) -> None:
        self.count = {"heard": heard, "silent": silent}


class House:
    """An intake, and what is around it."""

    def __init__(self, bounds: Bounds | None = None, limits: Limits | None = None) -> None:
        self.clock = ManualClock()
        self.signals = RecordedSignals()
        self.windows = Windows(bounds)
        self.intake = Intake(self.windows, self.clock, self.signals, limits=limits)

    @property
    def now_ms(self) -> int:
        return int(self.clock.now().timestamp() * 1000)

    def open(self, sender: Sender) -> Batch:
        batch = self.intake.open(sender)
        assert isinstance(batch, Batch), batch
        return batch

    def push(self, *names: str, sender: Sender = ORDERS, at_ms: int | None = None) -> Receipt:
        """One sample of 1.0 for each metric."""
        batch = self.open(sender)
        for name in names:
            labels = Labels({"__name__": name, "job": sender.job, "instance": sender.instance})
            number = batch.number(labels, (sender.protocol.value, *sender[:2]))
            batch.begin(name)
            if isinstance(number, Reason):
                batch.refuse(number, name)
            else:
                batch.add(number, self.now_ms if at_ms is None else at_ms, 1.0)
        return self.intake.close(batch)

    def pass_time(self, seconds: float) -> None:
        for _ in range(int(seconds)):
            self.clock.advance(1)
            self.intake.look()

    def ended(self) -> dict[str, int]:
        """The series that ended, and how many seconds ago."""
        return {
            series.labels["__name__"]: (self.now_ms - int(series.timestamps[-1])) // 1000
            for series in self.windows.select(ALL, 0, 1 << 60)
            if series.values[-1:].view(np.int64)[0] == STALE_NAN_BITS
        }


@pytest.fixture
def house() -> House:
    return House(limits=Limits(senders=2, series=10))


def test_what_is_pushed_is_kept_and_counted(house: House) -> None:
    receipt = house.push("a", "b")

    assert receipt == Receipt(2)
    assert house.signals.accepted == 2
    assert len(house.windows.select(ALL, 0, 1 << 60)) == 2


def test_a_series_that_a_push_lacks_has_ended_then(house: House) -> None:
    house.push("a", "b")
    house.pass_time(PERIOD)
    house.push("a")

    house.pass_time(2)

    assert house.ended() == {"b": 2}


def test_a_push_in_two_requests_ends_nothing(house: House) -> None:
    for _ in range(4):
        at_ms = house.now_ms
        house.push("a", at_ms=at_ms)
        house.clock.advance(0.5)
        house.push("b", at_ms=at_ms)
        house.clock.advance(0.5)
        house.pass_time(PERIOD - 1)

    assert house.ended() == {}


def test_a_series_that_is_told_each_minute_is_not_missed_each_5_s(house: House) -> None:
    for step in range(30):
        house.push("fast", *["slow"] * (step % 12 == 0))
        house.pass_time(PERIOD)

    slow = next(each for each in house.windows.select(ALL, 0, 1 << 60) if each.labels["__name__"] == "slow")
    ends = int((slow.values.view(np.int64) == STALE_NAN_BITS).sum())
    assert ends <= 1  # once: nobody can know the rhythm of a series after one sample
    assert house.ended() == {}


def test_a_series_that_comes_back_goes_on(house: House) -> None:
    house.push("a", "b")
    house.pass_time(PERIOD)
    house.push("a")
    house.pass_time(PERIOD)

    receipt = house.push("a", "b")

    assert receipt == Receipt(2)
    assert house.ended() == {}


def test_a_sender_that_falls_silent_ends_all_its_series_when_its_next_push_was_due(house: House) -> None:
    house.push("a")
    house.pass_time(PERIOD)
    house.push("a")
    house.pass_time(19)
    before = house.ended()

    house.pass_time(1)

    assert before == {}
    assert house.ended() == {"a": 15}
    assert house.signals.log == [("heard", ORDERS), ("silent", ORDERS)]
    assert house.signals.count == {"heard": 0, "silent": 1}


def test_a_sender_that_comes_back_is_heard_again(house: House) -> None:
    house.push("a")
    house.pass_time(30)

    receipt = house.push("a")

    assert receipt == Receipt(1)
    assert house.signals.log[-1] == ("heard", ORDERS)
    assert house.ended() == {}


def test_what_an_earlier_process_left_ends_unless_its_sender_goes_on(house: House) -> None:
    house.push("a")
    house.push("b", sender=AUTH)
    later = Intake(house.windows, house.clock, house.signals)
    later.adopt(house.windows.cohorts())
    house.intake = later

    house.pass_time(15)
    house.push("b", sender=AUTH)
    house.pass_time(10)

    assert list(house.ended()) == ["a"]


def test_a_new_sender_takes_the_place_of_the_longest_silent_but_never_of_one_that_talks(house: House) -> None:
    third = Sender("payments", "1")
    house.push("a")
    house.push("b", sender=AUTH)
    refused = house.intake.open(third)

    house.pass_time(15)
    house.push("b", sender=AUTH)
    house.pass_time(10)

    assert refused is Reason.TOO_MANY_SENDERS
    assert house.push("c", sender=third) == Receipt(1)


def test_whoever_does_not_say_who_it_is_is_refused(house: House) -> None:
    for sender in (Sender("", "1"), Sender("x" * 10_000, "")):
        assert house.intake.open(sender) is Reason.UNIDENTIFIED_SENDER


def test_a_push_without_points_is_a_sign_of_life(house: House) -> None:
    assert house.push() == Receipt(0)
    assert house.signals.count == {"heard": 1, "silent": 0}


def test_a_sender_has_no_more_series_than_it_may_and_the_old_ones_go_on(house: House) -> None:
    receipt = house.push(*(f"m{number}" for number in range(12)))

    assert receipt.accepted == 10
    assert {refusal.reason for refusal in receipt.refused} == {Reason.TOO_MANY_SERIES}
    house.clock.advance(5)
    assert house.push("m0") == Receipt(1)
    assert house.push("x", sender=AUTH) == Receipt(1)


def test_a_full_store_refuses_series_and_not_samples() -> None:
    house = House(bounds=Bounds(series=1))
    house.push("a")
    house.clock.advance(5)

    assert house.push("a", "b") == Receipt(1, (Refused(Reason.STORE_FULL, "b"),))


def test_a_sender_that_is_too_fast_is_refused_until_time_has_passed() -> None:
    house = House(limits=Limits(samples_per_second=1))
    house.push(*(f"m{number}" for number in range(10)))

    refused = house.push("m0", "m1")
    house.clock.advance(2)

    assert refused == Receipt(0, (Refused(Reason.TOO_FAST, "m0"), Refused(Reason.TOO_FAST, "m1")))
    assert house.push("m0", "m1") == Receipt(2)


def test_samples_of_the_wrong_time_are_refused_exactly(house: House) -> None:
    now = house.now_ms
    house.push("a")
    late = house.push("a", at_ms=now - 1)
    early = house.push("a", at_ms=now + 600_001)
    timeless = house.push("a", at_ms=0)

    assert [each.refused[0].reason for each in (late, early, timeless)] == [
        Reason.OUT_OF_ORDER,
        Reason.IN_FUTURE,
        Reason.NO_TIME,
    ]
    assert house.push("a", at_ms=now) == Receipt(1)
    assert house.push("a", at_ms=now + 600_000) == Receipt(1)


def test_a_sender_that_makes_up_series_for_ever_takes_bounded_memory() -> None:
    house = House(limits=Limits(series=500))

    def flood(first: int, last: int) -> int:
        for start in range(first, last, 500):
            house.push(*(f"m{number:0100}" for number in range(start, start + 500)))
            house.clock.advance(5)
            house.signals.refused.clear()
        return tracemalloc.get_traced_memory()[0]

    tracemalloc.start()
    try:
        full = flood(0, 2_000)
        later = flood(2_000, 6_000)
    finally:
        tracemalloc.stop()

    assert later - full < 100_000
    assert len(house.windows.select(ALL, 0, 1 << 60)) == 500
