from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from services.monitoring.promql import Labels, Matcher, MatchOperator, Series
from services.monitoring.windows import STALE, Bounds, Keeper, StoreFull, Verdict, Windows
from services.monitoring.windows.model import bits_of

NOW = 1_700_000_000_000
ALL = [Matcher("__name__", "=~", ".+")]
COHORT = ("otlp", "orders", "1")
FOREVER = 1 << 60


def labels(name: str = "m", **more: str) -> Labels:
    return Labels({"__name__": name, **more})


def push(windows: Windows, at_ms: int, *samples: tuple[Labels, float], now: float = 0.0) -> list[Verdict]:
    numbers = np.array([windows.number_of(each, COHORT) for each, _ in samples], np.int64)
    times = np.full(len(samples), at_ms, np.int64)
    values = np.array([value for _, value in samples])
    return [Verdict(each) for each in windows.append(numbers, times, values, now=now)]


def kept(windows: Windows, matchers: Sequence[Matcher] = ALL) -> dict[Labels, list[tuple[int, float]]]:
    return {
        each.labels: list(zip(each.timestamps.tolist(), each.values.tolist(), strict=True))
        for each in windows.select(matchers, 0, FOREVER)
    }


@pytest.fixture
def windows() -> Windows:
    return Windows()


def test_what_was_pushed_is_found_in_the_order_of_time(windows: Windows) -> None:
    for step in range(3):
        push(windows, NOW + step, (labels(), float(step)))

    assert kept(windows) == {labels(): [(NOW, 0.0), (NOW + 1, 1.0), (NOW + 2, 2.0)]}


def test_series_of_one_push_share_their_array_of_times(windows: Windows) -> None:
    for step in range(400):
        push(windows, NOW + step, *((labels(n=str(n)), float(step)) for n in range(20)))
    Keeper(windows).keep()

    found = windows.select(ALL, NOW + 10, NOW + 390)

    assert len({id(each.timestamps) for each in found}) == 1
    assert found[0].timestamps.tolist() == list(range(NOW + 10, NOW + 391))


def test_only_the_time_asked_for_is_given(windows: Windows) -> None:
    for step in range(400):
        push(windows, NOW + step, (labels(), float(step)))

    [found] = windows.select(ALL, NOW + 100, NOW + 102)

    assert found.values.tolist() == [100.0, 101.0, 102.0]
    assert windows.select(ALL, NOW + 500, NOW + 600) == []


def test_an_older_sample_is_refused_and_a_repeated_one_is_not(windows: Windows) -> None:
    push(windows, NOW, (labels(), 1.0))

    assert push(windows, NOW - 1, (labels(), 1.0)) == [Verdict.OUT_OF_ORDER]
    assert push(windows, NOW, (labels(), 1.0)) == [Verdict.KEPT]
    assert push(windows, NOW, (labels(), 2.0)) == [Verdict.DUPLICATE]
    assert kept(windows) == {labels(): [(NOW, 1.0)]}


def test_the_order_within_one_push_counts_too(windows: Windows) -> None:
    number = windows.number_of(labels(), COHORT)
    times = np.array([NOW + 5, NOW + 3, NOW + 5, NOW + 5, NOW + 9])

    verdicts = windows.append(np.full(5, number), times, np.array([1.0, 2.0, 1.0, 3.0, 4.0]))

    assert [Verdict(each).name for each in verdicts] == ["KEPT", "OUT_OF_ORDER", "KEPT", "DUPLICATE", "KEPT"]
    assert kept(windows) == {labels(): [(NOW + 5, 1.0), (NOW + 9, 4.0)]}


def test_a_sample_corrects_a_mark_of_the_same_time(windows: Windows) -> None:
    push(windows, NOW, (labels(), STALE))

    assert push(windows, NOW, (labels(), 1.0)) == [Verdict.KEPT]
    assert kept(windows) == {labels(): [(NOW, 1.0)]}


def test_the_mark_keeps_its_bits_and_every_other_nan_becomes_the_plain_one(windows: Windows) -> None:
    odd = float(np.array([0x7FF0000000000003]).view(np.float64)[0])
    push(windows, NOW, (labels("a"), STALE), (labels("b"), math.nan), (labels("c"), odd))

    found = {
        each.labels["__name__"]: hex(bits_of(each.values)[0]) for each in windows.select(ALL, 0, FOREVER)
    }

    assert found == {"a": "0x7ff0000000000002", "b": "0x7ff8000000000001", "c": "0x7ff8000000000001"}


SELECTIONS: list[tuple[str, MatchOperator, str, str]] = [
    ("job", "=", "orders", "ab"),
    ("job", "!=", "orders", "cd"),
    ("job", "=", "", "d"),
    ("job", "!=", "", "abc"),
    ("job", "=~", "ord.*|auth", "abc"),
    ("job", "=~", "rder", ""),
    ("job", "!~", "ord.*", "cd"),
    ("job", "=~", ".*", "abcd"),
    ("nothing", "!=", "x", "abcd"),
    ("nothing", "=~", "x|", "abcd"),
    ("zone", "=", "1", "a"),
]


@pytest.mark.parametrize(("name", "op", "value", "expected"), SELECTIONS)
def test_selectors_find_what_prometheus_would(
    windows: Windows, name: str, op: MatchOperator, value: str, expected: str
) -> None:
    series = {"a": {"job": "orders", "zone": "1"}, "b": {"job": "orders"}, "c": {"job": "auth"}, "d": {}}
    push(windows, NOW, *((labels("m", id=key, **more), 1.0) for key, more in series.items()))

    found = kept(windows, [Matcher("__name__", "=", "m"), Matcher(name, op, value)])

    assert "".join(sorted(each["id"] for each in found)) == expected


def test_a_series_that_falls_out_of_step_loses_nothing(windows: Windows) -> None:
    push(windows, NOW, (labels("a"), 0.0), (labels("b"), 0.0))
    push(windows, NOW + 10, (labels("a"), 1.0))

    assert push(windows, NOW + 5, (labels("b"), 1.0)) == [Verdict.KEPT]
    push(windows, NOW + 20, (labels("a"), 2.0), (labels("b"), 2.0))

    assert kept(windows) == {
        labels("a"): [(NOW, 0.0), (NOW + 10, 1.0), (NOW + 20, 2.0)],
        labels("b"): [(NOW, 0.0), (NOW + 5, 1.0), (NOW + 20, 2.0)],
    }


def test_a_series_that_pauses_for_long_goes_on(windows: Windows) -> None:
    push(windows, NOW, (labels(), 0.0), now=0)
    windows.rest(10_000)

    push(windows, NOW + 1, (labels(), 1.0), now=10_000)

    assert kept(windows) == {labels(): [(NOW, 0.0), (NOW + 1, 1.0)]}


def test_series_that_pause_together_are_read_together_again(windows: Windows) -> None:
    several = [labels(n=str(n)) for n in range(50)]
    push(windows, NOW, *((each, 0.0) for each in several), now=0)
    windows.rest(10_000)
    push(windows, NOW + 1, *((each, 1.0) for each in several), now=10_000)

    parts = windows.parts(ALL, 0, FOREVER)

    assert [len(part.labels) for part in parts] == [50, 50]
    assert kept(windows) == {each: [(NOW, 0.0), (NOW + 1, 1.0)] for each in several}


def test_a_cohort_that_falls_silent_gives_its_memory_back(windows: Windows) -> None:
    push(windows, NOW, *((labels(n=str(n)), 1.0) for n in range(1_000)))

    windows.rest(10_000)

    assert windows.occupancy().head_bytes == 0
    assert len(kept(windows)) == 1_000


def test_more_series_than_there_may_be_are_refused() -> None:
    windows = Windows(Bounds(series=2))
    push(windows, NOW, (labels("a"), 1.0), (labels("b"), 1.0))

    with pytest.raises(StoreFull):
        push(windows, NOW, (labels("c"), 1.0))
    assert push(windows, NOW + 1, (labels("a"), 1.0)) == [Verdict.KEPT]


def filled(bounds: Bounds, hours: int) -> tuple[Windows, Keeper]:
    """A store with a counter that was pushed each minute; and another that ended after the first hour."""
    windows = Windows(bounds)
    keeper = Keeper(windows)
    random = np.random.default_rng(7)
    for minute in range(60 * hours):
        samples = [(labels("m"), float(random.random()))]
        samples += [(labels("early"), 1.0)] * (minute < 60)
        push(windows, NOW + 60_000 * minute, *samples, now=minute * 60.0)
        windows.rest(minute * 60.0)
        keeper.keep()
    return windows, keeper


def test_what_is_too_old_is_forgotten_with_the_series_that_had_nothing_else() -> None:
    windows, _ = filled(Bounds(history_seconds=4 * 3600), hours=20)

    assert list(kept(windows)) == [labels("m")]
    assert NOW + 12 * 3_600_000 < kept(windows)[labels("m")][0][0] < NOW + 17 * 3_600_000
    assert windows.generation > 0


def test_the_oldest_goes_first_when_room_is_short() -> None:
    windows, _ = filled(Bounds(history_bytes=3_000), hours=20)

    assert windows.occupancy().block_bytes < 6_000
    assert kept(windows)[labels("m")][-1][0] == NOW + 60_000 * (60 * 20 - 1)


def test_labels_are_told_for_series_with_samples_in_that_time(windows: Windows) -> None:
    push(windows, NOW, (labels("a", job="x"), 1.0))
    push(windows, NOW + 100, (labels("b", job="y", zone="1"), 1.0))

    assert windows.series([], NOW, NOW + 50) == [labels("a", job="x")]
    assert windows.label_names([], NOW, NOW + 100) == ["__name__", "job", "zone"]
    assert windows.label_values("job", [], NOW, NOW + 100) == ["x", "y"]
    assert windows.label_values("job", [[Matcher("zone", "=", "1")]], NOW, NOW + 100) == ["y"]


def test_live_series_are_those_that_have_not_ended(windows: Windows) -> None:
    push(windows, NOW, (labels("a"), 1.0), (labels("b"), 1.0))
    push(windows, NOW + 1, (labels("b"), STALE))

    assert [windows.labels(number)["__name__"] for number in windows.live([COHORT])] == ["a"]


STEPS = st.lists(
    st.tuples(
        st.integers(0, 5),  # series
        st.integers(-3, 4),  # how far time moves
        st.sampled_from([0.0, 1.0, 2.5, STALE]),
        st.sampled_from(["push", "push", "push", "push", "keep", "rest"]),
    ),
    max_size=600,
)


@settings(max_examples=60, deadline=None)
@given(STEPS)
def test_it_keeps_what_a_list_would_keep(steps: list[tuple[int, int, float, str]]) -> None:
    windows, model, now = Windows(), dict[Labels, list[tuple[int, float]]](), NOW
    keeper = Keeper(windows)
    for step, (number, move, value, what) in enumerate(steps):
        now += move
        each = labels(n=str(number))
        if what == "keep":
            keeper.keep()
        elif what == "rest":
            windows.rest(step * 100.0)
        else:
            verdict = push(windows, now, (each, value), now=step * 100.0)
            assert verdict == [_model(model.setdefault(each, []), now, value)]

    assert _plain(kept(windows)) == _plain(model)


def _model(samples: list[tuple[int, float]], at_ms: int, value: float) -> Verdict:
    """Append as the contract says."""
    if not samples or at_ms > samples[-1][0]:
        samples.append((at_ms, value))
        return Verdict.KEPT
    if at_ms < samples[-1][0]:
        return Verdict.OUT_OF_ORDER
    if math.isnan(samples[-1][1]) and not math.isnan(value):
        samples[-1] = (at_ms, value)
        return Verdict.KEPT
    is_same = samples[-1][1] == value or (math.isnan(samples[-1][1]) and math.isnan(value))
    return Verdict.KEPT if is_same else Verdict.DUPLICATE


def _plain(found: dict[Labels, list[tuple[int, float]]]) -> dict[Labels, list[tuple[int, str]]]:
    return {key: [(at, repr(value)) for at, value in samples] for key, samples in found.items() if samples}


def test_a_reader_holds_what_it_was_given_while_the_store_goes_on(windows: Windows) -> None:
    for step in range(170):
        push(windows, NOW + step, (labels(), float(step)))
    found: Series = windows.select(ALL, 0, FOREVER)[0]
    before = found.values.copy()

    for step in range(170, 600):
        push(windows, NOW + step, (labels(), -1.0))

    assert (found.values == before).all()
