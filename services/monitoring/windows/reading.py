"""From lanes to series: blocks and head put together, without the cells that have no sample."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from services.monitoring.promql import Labels, Series
from services.monitoring.windows.codec import BadBlock, Decoded
from services.monitoring.windows.lane import Block
from services.monitoring.windows.model import ABSENT_BITS, Numbers, Times, Values, bits_of


@dataclass(frozen=True)
class Part:
    """Rows of one lane, as they stood at one moment: nothing in it changes any more."""

    labels: Sequence[Labels]
    rows: Numbers
    blocks: Sequence[Block]
    head: Decoded
    has_moved: bool
    """Whether these series have samples in other parts, too."""

    @property
    def start_ms(self) -> int:
        """The time of the first sample, or a little before."""
        return self.blocks[0].start_ms if self.blocks else int(self.head.times[0])

    def pieces(self, start_ms: int, end_ms: int) -> Iterator[Decoded]:
        """What the rows have from start to end, piece by piece in the order of time.

        A block that cannot be read any more is left out: its segment was forgotten
        meanwhile, or its disk has lost it, which whoever verifies the segments reports.
        """
        for block in self.blocks:
            try:
                times, values = block.read(self.rows)
            except (BadBlock, OSError):
                continue
            first, last = np.searchsorted(times, start_ms), np.searchsorted(times, end_ms, "right")
            if first < last:
                yield Decoded(times[first:last], values[:, first:last])
        if self.head.times.size:
            yield self.head

    def whole(self, start_ms: int, end_ms: int) -> Decoded:
        """The same in one piece."""
        pieces = list(self.pieces(start_ms, end_ms))
        if len(pieces) == 1:
            return pieces[0]
        if not pieces:
            return Decoded(np.zeros(0, np.int64), np.zeros((self.rows.size, 0)))
        times = np.concatenate([piece.times for piece in pieces])
        values = np.empty((self.rows.size, times.size))
        np.concatenate([piece.values for piece in pieces], axis=1, out=values)
        return Decoded(times, values)


def assembled(parts: Iterable[Part], start_ms: int, end_ms: int) -> list[Series]:
    """The series in these parts, each once. Rows with samples at the same times share an array of times."""
    found: list[Series] = []
    moved: dict[Labels, Series] = {}
    for part in parts:
        series = _series(part, *part.whole(start_ms, end_ms))
        if not part.has_moved:
            found += series
            continue
        for one in series:
            other = moved.get(one.labels)
            moved[one.labels] = one if other is None else _joined(other, one)
    return [*found, *moved.values()]


def _series(part: Part, times: Times, values: Values) -> Iterator[Series]:
    there = bits_of(values) != ABSENT_BITS
    is_whole = there.all(axis=1).tolist()
    shared: dict[bytes, Times] = {}
    for row, labels in enumerate(part.labels):
        if is_whole[row]:
            if times.size:
                yield Series(labels, times, values[row])
            continue
        mask = there[row]
        pattern = mask.tobytes()
        if pattern not in shared:
            shared[pattern] = times[mask]
        if shared[pattern].size:
            yield Series(labels, shared[pattern], values[row][mask])


def _joined(some: Series, others: Series) -> Series:
    """One series from two lanes, between which it moved."""
    times = np.concatenate([some.timestamps, others.timestamps])
    values = np.concatenate([some.values, others.values])
    times, chosen = np.unique(times, return_index=True)
    return Series(some.labels, times, values[chosen])
