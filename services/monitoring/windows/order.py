"""Which samples of a push come in order: decided for all at once."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from services.monitoring.promql import STALE_NAN_BITS
from services.monitoring.windows.model import Numbers, Times, Values, Verdict, bits_of


class Judged(NamedTuple):
    """The verdict on each sample, and which of the kept ones say something new."""

    verdicts: NDArray[np.uint8]
    is_new: NDArray[np.bool_]


def verdicts(known: NDArray[np.void], numbers: Numbers, times: Times, values: Values) -> Judged:
    """Judge samples against the newest of their series, and against those before them in the push."""
    last_ms, last_bits = known["last_ms"][numbers], known["last_value"][numbers].view(np.int64)
    if np.unique(numbers).size < numbers.size:
        last_ms, last_bits = _after_each_other(numbers, times, values, (last_ms, last_bits))
    judged = np.zeros(numbers.size, np.uint8)
    judged[times < last_ms] = Verdict.OUT_OF_ORDER
    is_same_time = times == last_ms
    if not is_same_time.any():
        return Judged(judged, judged == Verdict.KEPT)
    is_repeated = is_same_time & (bits_of(values) == last_bits)
    # A mark is our own guess that a series is over: a sample of the same time corrects it.
    is_known_better = is_same_time & (last_bits != STALE_NAN_BITS) & ~is_repeated
    judged[is_known_better] = Verdict.DUPLICATE
    return Judged(judged, (judged == Verdict.KEPT) & ~is_repeated)


def _after_each_other(
    numbers: Numbers, times: Times, values: Values, last: tuple[Times, Numbers]
) -> tuple[Times, Numbers]:
    """For each sample the newest before it: of the store, or of the same series earlier in this push."""
    order = np.argsort(numbers, kind="stable")
    is_first = np.diff(numbers[order], prepend=-1) != 0
    newest_ms, newest_bits = last[0].tolist(), last[1].tolist()
    own_ms, own_bits, places = times.tolist(), bits_of(values).tolist(), order.tolist()
    for position in np.flatnonzero(~is_first).tolist():
        here, before = places[position], places[position - 1]
        if own_ms[before] >= newest_ms[before]:
            newest_ms[here], newest_bits[here] = own_ms[before], own_bits[before]
        else:
            newest_ms[here], newest_bits[here] = newest_ms[before], newest_bits[before]
    return np.array(newest_ms, np.int64), np.array(newest_bits, np.int64)
