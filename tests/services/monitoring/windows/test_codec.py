"""Every block comes back bit by bit, and what comes back from other bytes is an error."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from services.monitoring.windows.codec import BadBlock, decode, encode
from services.monitoring.windows.model import ABSENT, STALE, Times, Values, bits_of

SHAPES = st.tuples(st.integers(1, 6), st.integers(1, 20))
ODD = st.sampled_from(
    [0.0, -0.0, ABSENT, STALE, float("nan"), float("inf"), 1e300, 2.0**53, 0.1, 0.001, 5e-324]
)
CELLS = st.one_of(st.floats(width=64), st.integers(-(2**40), 2**40).map(float), ODD)


def times(columns: int, start: int = 1_700_000_000_000) -> Times:
    return start + 5_000 * np.arange(columns, dtype=np.int64)


def assert_same(values: Values, when: Times) -> None:
    decoded = decode(encode(when, values), np.arange(len(values)))

    assert (decoded.times == when).all()
    assert (bits_of(decoded.values) == bits_of(values)).all()


@settings(max_examples=300, deadline=None)
@given(SHAPES.flatmap(lambda shape: arrays.arrays(np.float64, shape, elements=CELLS)))
def test_whatever_goes_in_comes_out_bit_by_bit(values: Values) -> None:
    assert_same(values, times(values.shape[1]))


@pytest.mark.parametrize("largest", [1, 100, 30_000, 2**30, 2**45])
def test_counters_of_every_pace_come_out_as_they_went_in(largest: int) -> None:
    random = np.random.default_rng(7)
    assert_same(np.cumsum(random.integers(0, largest, (50, 60)), axis=1).astype(np.float64), times(60))


def test_times_may_be_any_that_ascend() -> None:
    random = np.random.default_rng(7)
    assert_same(np.zeros((1, 60)), np.cumsum(random.integers(1, 2**40, 60)))


def test_some_rows_come_in_the_order_asked_for_and_one_that_came_later_is_absent() -> None:
    values = np.arange(12.0).reshape(4, 3)

    found = decode(encode(times(3), values), np.array([2, 9, 0])).values

    assert (found[[0, 2]] == values[[2, 0]]).all()
    assert (bits_of(found[1]) == bits_of(np.array([ABSENT]))).all()


@pytest.mark.parametrize("pace", [1, 10, 300, 1_000, 5_000])
def test_a_sample_of_a_counter_takes_at_most_two_bytes(pace: int) -> None:
    random = np.random.default_rng(7)
    counters = np.cumsum(random.integers(0, pace, (1024, 60)), axis=1).astype(np.float64)

    assert len(encode(times(60), counters)) / counters.size <= 2


def damaged(payload: bytes) -> dict[str, bytes]:
    return {"nothing": b"", "noise": bytes(range(200)), "half of it": payload[: len(payload) // 2]}


@pytest.mark.parametrize("kind", ["nothing", "noise", "half of it"])
def test_other_bytes_are_no_block(kind: Any) -> None:
    payload = encode(times(60), np.random.default_rng(7).random((20, 60)))

    with pytest.raises(BadBlock):
        decode(damaged(payload)[kind], np.arange(20))
