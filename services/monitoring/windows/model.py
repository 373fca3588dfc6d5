"""The words of the store: marks that stand for no value, limits, and what is refused."""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum

import numpy as np
from numpy.typing import NDArray

from services.monitoring.promql import STALE_NAN_BITS

Times = NDArray[np.int64]
"""Milliseconds since 1970."""
Values = NDArray[np.float64]
Numbers = NDArray[np.int64]
"""Numbers of series, rows or columns."""

STALE = float(np.array([STALE_NAN_BITS], np.int64).view(np.float64)[0])
"""The value that says: this series has ended. Compare its bits."""

ABSENT_BITS = 0x7FF0000000000003
"""The NaN of a cell without a sample. It never leaves the store, and `canonical` never lets it in."""
ABSENT = float(np.array([ABSENT_BITS], np.int64).view(np.float64)[0])

_PLAIN_NAN_BITS = 0x7FF8000000000001
"""Every other NaN becomes this one, as in Prometheus."""


class Verdict(IntEnum):
    """What became of one sample."""

    KEPT = 0
    OUT_OF_ORDER = 1
    """Older than the newest of its series."""
    DUPLICATE = 2
    """Another value for a time that has one. The same value again is KEPT: to repeat a push is no fault."""


@dataclass(frozen=True)
class Bounds:
    """What may be kept, and for how long. The policy: history goes oldest first; then new series are refused.

    Attributes:
        series: Series that are known at a time, ended ones with history included.
        history_bytes: Of compressed blocks. Over this the oldest segment goes, whatever its age.
        history_seconds: Age at which a compressed segment goes.
        hot_seconds: Age until which compressed blocks stay in memory where there is a folder beside.
        fresh_seconds: Age until which samples stay uncompressed, unless they come too fast for a head.
    """

    series: int = 100_000
    history_bytes: int = 256 * 1024 * 1024
    history_seconds: float = 7 * 24 * 3600
    hot_seconds: float = 2 * 3600
    fresh_seconds: float = 600


@dataclass(frozen=True)
class Occupancy:
    """How much there is.

    Attributes:
        series: Series that are known.
        head_bytes: Of uncompressed samples.
        block_bytes: Of compressed samples in memory.
    """

    series: int
    head_bytes: int
    block_bytes: int


class StoreFull(Exception):
    """There is no room for another series."""


def bits_of(values: Values) -> Numbers:
    """The bits of each value: the only way to tell one NaN from another."""
    return np.ascontiguousarray(values).view(np.int64)


def canonical(values: Values) -> Values:
    """The values, with every NaN that is not the stale mark made the plain one."""
    nan = np.isnan(values)
    if not nan.any():
        return values
    bits = bits_of(values).copy()
    bits[nan & (bits != STALE_NAN_BITS)] = _PLAIN_NAN_BITS
    return bits.view(np.float64)
