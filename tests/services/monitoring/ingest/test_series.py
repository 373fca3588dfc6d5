import math
import tracemalloc
from collections.abc import Iterable
from typing import Any

import pytest
from typing_extensions import override

from servicekit.clock import ManualClock
from services.monitoring.ingest import (
    Histogram,
    Kind,
    Labels,
    LastValues,
    Limits,
    Push,
    Reason,
    Receipt,
    Refused,
    Sample,
    Sender,
    Signals,
)

ORDERS = Sender("orders", "1")
SILENT_AFTER = 20.0


class RecordedSignals(Signals):
    def __init__(self) -> None:
        self.accepted = 0
        self.refused: list[Refused] = []
        self.log: list[tuple[str, Sender]] = []
        self.count: dict[str, int] = {}

    @override
    def points_received(self, accepted: int, refused: Iterable[Refused]) -> None:
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


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock()


@pytest.fixture
def signals() -> RecordedSignals:
    return RecordedSignals()


def kept(clock: ManualClock, signals: Signals, **limits: int) -> LastValues:
    return LastValues(clock, signals, silent_after_seconds=SILENT_AFTER, limits=Limits(**limits))


@pytest.fixture
def values(clock: ManualClock, signals: RecordedSignals) -> LastValues:
    return kept(clock, signals, series=10, labels=3, buckets=4, senders=2, name_length=50, value_length=60)


def now_ns(clock: ManualClock) -> int:
    return int(clock.now().timestamp() * 1_000_000_000)


def sample(clock: ManualClock, **changed: Any) -> Sample:
    given: dict[str, Any] = {
        "name": "orders_created_total",
        "labels": (("outcome", "completed"),),
        "kind": Kind.COUNTER,
        "value": 3.0,
        "time_ns": now_ns(clock),
    }
    return Sample(**(given | changed))


def pushed(values: LastValues, *samples: Sample, sender: Sender | None = ORDERS) -> Receipt:
    return values.receive(Push(sender, samples))


def test_the_last_value_of_a_series_is_what_was_pushed_last(clock: ManualClock, values: LastValues) -> None:
    pushed(values, sample(clock, value=3.0))
    clock.advance(5)
    receipt = pushed(values, sample(clock, value=4.0))

    assert receipt == Receipt(1, ())
    assert [one.sample.value for one in values.latest("orders_created_total")] == [4.0]


def test_series_are_found_by_name_and_by_some_of_their_labels(clock: ManualClock, values: LastValues) -> None:
    pushed(values, sample(clock, labels=(("outcome", "completed"), ("sku", "a"))))
    pushed(
        values, sample(clock, labels=(("outcome", "rejected"), ("sku", "a"))), sender=Sender("orders", "2")
    )

    def found(*labels: tuple[str, str]) -> list[Sender]:
        return [reading.sender for reading in values.latest("orders_created_total", labels)]

    assert found(("sku", "a")) == [Sender("orders", "1"), Sender("orders", "2")]
    assert found(("outcome", "rejected")) == [Sender("orders", "2")]
    assert found(("outcome", "lost")) == []
    assert values.latest("another_total") == []


def test_sending_the_same_push_again_changes_nothing(clock: ManualClock, values: LastValues) -> None:
    pushed(values, sample(clock))

    assert pushed(values, sample(clock)) == Receipt(1, ())
    assert len(values.latest("orders_created_total")) == 1


HISTOGRAM = Histogram(bounds=(0.1, 1.0), counts=(1, 2, 3), count=6, sum=4.5)

REFUSED: dict[str, tuple[dict[str, Any], Reason]] = {
    "no name": ({"name": ""}, Reason.UNNAMED),
    "a label without a name": ({"labels": (("", "x"),)}, Reason.UNNAMED),
    "a long name": ({"name": "n" * 51}, Reason.TOO_LONG),
    "a long label": ({"labels": (("n" * 51, "x"),)}, Reason.TOO_LONG),
    "a long value": ({"labels": (("x", "v" * 61),)}, Reason.TOO_LONG),
    "many labels": ({"labels": tuple((f"l{number}", "x") for number in range(4))}, Reason.TOO_MANY_LABELS),
    "no time": ({"time_ns": 0}, Reason.NO_TIME),
    "a time to come": ({"time_ns": 2**63}, Reason.IN_FUTURE),
    "a counter below zero": ({"value": -1.0}, Reason.BAD_VALUE),
    "a counter that is no number": ({"value": math.nan}, Reason.BAD_VALUE),
    "many buckets": (
        {"value": Histogram((1, 2, 3, 4), (0, 0, 0, 0, 0), 0, 0)},
        Reason.TOO_MANY_BUCKETS,
    ),
    "buckets that do not add up": ({"value": Histogram((0.1, 1.0), (1, 2, 3), 7, 1)}, Reason.BAD_VALUE),
    "a bucket too few": ({"value": Histogram((0.1, 1.0), (1, 2), 3, 1)}, Reason.BAD_VALUE),
    "bounds without buckets": ({"value": Histogram((0.1,), (), 0, 1)}, Reason.BAD_VALUE),
    "bounds that fall": ({"value": Histogram((1.0, 0.1), (1, 2, 3), 6, 1)}, Reason.BAD_VALUE),
    "a bound that is no number": ({"value": Histogram((0.1, math.nan), (1, 2, 3), 6, 1)}, Reason.BAD_VALUE),
    "an infinite bound": ({"value": Histogram((0.1, math.inf), (1, 2, 3), 6, 1)}, Reason.BAD_VALUE),
}


@pytest.mark.parametrize(("changed", "reason"), REFUSED.values(), ids=REFUSED)
def test_a_bad_sample_is_refused_alone_with_its_reason_and_counted(
    clock: ManualClock,
    values: LastValues,
    signals: RecordedSignals,
    changed: dict[str, Any],
    reason: Reason,
) -> None:
    bad = sample(clock, **changed)

    receipt = pushed(values, bad, sample(clock, name="good_total"))

    assert receipt == Receipt(1, (Refused(reason, bad.name),))
    assert len(values.latest("good_total")) == 1
    assert values.latest(bad.name) == []
    assert (signals.accepted, signals.refused) == (1, [Refused(reason, bad.name)])


@pytest.mark.parametrize(
    "value",
    [math.nan, math.inf, -math.inf, -1.0, HISTOGRAM, Histogram((), (), 5, None), Histogram((), (5,), 5, 1)],
)
def test_an_odd_value_that_is_meant_is_kept(
    clock: ManualClock, values: LastValues, value: float | Histogram
) -> None:
    assert pushed(values, sample(clock, kind=Kind.GAUGE, value=value)).refused == ()


def test_an_older_value_does_not_replace_a_newer_one(clock: ManualClock, values: LastValues) -> None:
    pushed(values, sample(clock, value=2.0))

    receipt = pushed(values, sample(clock, value=1.0, time_ns=now_ns(clock) - 1))

    assert receipt.refused == (Refused(Reason.OUT_OF_ORDER, "orders_created_total"),)
    assert [one.sample.value for one in values.latest("orders_created_total")] == [2.0]


def test_a_sender_has_no_more_series_than_it_may_and_the_old_ones_go_on(
    clock: ManualClock, values: LastValues
) -> None:
    series = [sample(clock, labels=(("sku", str(number)),)) for number in range(12)]

    receipt = pushed(values, *series)

    assert receipt.accepted == 10
    assert {refusal.reason for refusal in receipt.refused} == {Reason.TOO_MANY_SERIES}
    assert pushed(values, series[0]).refused == ()
    assert pushed(values, sample(clock), sender=Sender("auth", "1")).refused == ()


def test_a_sender_whose_series_weigh_too_much_is_refused_more(
    clock: ManualClock, signals: RecordedSignals
) -> None:
    values = kept(clock, signals, weight=100)
    labels: Labels = (("l", "v" * 40),)

    receipts = [pushed(values, sample(clock, name=name, labels=labels)) for name in ("a", "b", "c")]

    assert [receipt.accepted for receipt in receipts] == [1, 1, 0]
    assert pushed(values, sample(clock, name="a", labels=labels)).accepted == 1


def test_whoever_does_not_say_who_it_is_is_refused(clock: ManualClock, values: LastValues) -> None:
    for sender in (None, Sender("x" * 61, "")):
        receipt = pushed(values, sample(clock), sender=sender)

        assert receipt.refused == (Refused(Reason.UNIDENTIFIED_SENDER, "orders_created_total"),)


def test_a_sender_is_silent_once_it_missed_its_time_and_not_before(
    clock: ManualClock, values: LastValues, signals: RecordedSignals
) -> None:
    pushed(values, sample(clock))
    clock.advance(SILENT_AFTER - 1)
    values.silence()
    assert [one.silent for one in values.latest("orders_created_total")] == [False]

    clock.advance(1)
    values.silence()
    values.silence()

    assert [one.silent for one in values.latest("orders_created_total")] == [True]
    assert signals.log == [("heard", ORDERS), ("silent", ORDERS)]
    assert signals.count == {"heard": 0, "silent": 1}


def test_a_silent_sender_that_pushes_again_is_heard_again(
    clock: ManualClock, values: LastValues, signals: RecordedSignals
) -> None:
    pushed(values, sample(clock))
    clock.advance(SILENT_AFTER)
    values.silence()

    pushed(values, sample(clock))

    assert [one.silent for one in values.latest("orders_created_total")] == [False]
    assert signals.log[-1] == ("heard", ORDERS)
    assert signals.count == {"heard": 1, "silent": 0}


def test_a_push_without_points_is_a_sign_of_life(
    clock: ManualClock, values: LastValues, signals: RecordedSignals
) -> None:
    assert pushed(values) == Receipt(0, ())
    assert signals.count == {"heard": 1, "silent": 0}


def test_a_new_sender_takes_the_place_of_the_longest_silent_but_never_of_one_that_talks(
    clock: ManualClock, values: LastValues
) -> None:
    first, second, third = Sender("a", ""), Sender("b", ""), Sender("c", "")
    pushed(values, sample(clock), sender=first)
    pushed(values, sample(clock), sender=second)
    refused = pushed(values, sample(clock), sender=third)

    clock.advance(SILENT_AFTER)
    values.silence()
    pushed(values, sample(clock), sender=second)
    accepted = pushed(values, sample(clock), sender=third)

    assert refused.refused == (Refused(Reason.TOO_MANY_SENDERS, "orders_created_total"),)
    assert accepted.accepted == 1
    assert [one.sender for one in values.latest("orders_created_total")] == [second, third]


def test_a_sender_that_makes_up_series_for_ever_takes_bounded_memory(
    clock: ManualClock, signals: RecordedSignals
) -> None:
    values = kept(clock, signals, series=1_000, weight=200_000)

    def flood(numbers: range) -> int:
        for number in numbers:
            pushed(values, sample(clock, labels=(("l", f"{number:0100}"),)))
        signals.refused.clear()
        return tracemalloc.get_traced_memory()[0]

    tracemalloc.start()
    try:
        full = flood(range(2_000))
        later = flood(range(2_000, 6_000))
    finally:
        tracemalloc.stop()

    assert later - full < 50_000
    assert len(values.latest("orders_created_total")) == 1_000
