"""Samples taken together, as a block of bytes: rows are series, columns are times.

A row of whole numbers, or of decimals with up to three places, becomes the differences
of neighbours in as few bytes as the largest of the row needs: most counters fit one
byte, and one that stands still takes none. Any other row becomes the XOR of neighbours
(Gorilla, VLDB 2015). The bytes of a group of rows are transposed, all first bytes
first, and go through Zstandard, which takes what is left of regularity. Everything is
done on whole groups, and comes back bit by bit as it was.
"""

from __future__ import annotations

import struct
from typing import NamedTuple

import cramjam
import numpy as np
from numpy.typing import NDArray

from services.monitoring.windows.model import ABSENT_BITS, Numbers, Times, Values, bits_of

_LEVEL = 3
_HEAD = struct.Struct("<IIIIH")
"""Columns, rows, rows with gaps, marks, groups."""
_GROUP = struct.Struct("<BBH")
"""Decimal places (or `_XOR`), bytes of a difference, rows."""
_XOR = 255
_PLACES = (0, 1, 2, 3)
_LARGEST = 2.0**51
"""Whole numbers up to here survive the way through a float with room for their differences."""
_WIDTHS = (0, 1, 2, 4, 8)
_SMALLEST_OF_WIDTH = {0: 0, 1: 1 << 7, 2: 1 << 15, 4: 1 << 31, 8: 1 << 62}


class BadBlock(ValueError):
    """Bytes that are no block of ours."""


class Decoded(NamedTuple):
    """A block, or some rows of it."""

    times: Times
    values: Values


def encode(times: Times, values: Values) -> bytes:
    """Pack a block. At least one column; cells without a sample hold `ABSENT`."""
    rows, columns = values.shape
    bits = bits_of(values)
    absent = bits == ABSENT_BITS
    gapped = np.flatnonzero(absent.any(axis=1))
    filled = _filled(values)
    marks = np.flatnonzero((np.isnan(values) & ~absent).ravel())
    groups = list(_groups(filled))
    parts = [
        _HEAD.pack(columns, rows, gapped.size, marks.size, len(groups)),
        _packed_times(times),
        gapped.astype(np.uint16).tobytes(),
        np.packbits(absent[gapped], axis=1).tobytes(),
        marks.astype(np.uint32).tobytes(),
        bits.ravel()[marks].tobytes(),
        *(part for group in groups for part in group),
    ]
    return bytes(cramjam.zstd.compress(b"".join(parts), _LEVEL))


def decode(payload: bytes, wanted: Numbers) -> Decoded:
    """Unpack some rows, in the order asked for; a row that the block does not have is absent throughout.

    Raises:
        BadBlock: These are not the bytes that `encode` made.
    """
    try:
        return _decoded(_Reader(bytes(cramjam.zstd.decompress(payload))), wanted)
    except (cramjam.DecompressionError, struct.error, ValueError, IndexError) as fault:
        raise BadBlock(str(fault)) from fault


class _Reader:
    """Bytes that are read from front to back."""

    def __init__(self, data: bytes) -> None:
        self._data = data
        self._at = 0

    def unpack(self, form: struct.Struct) -> tuple[int, ...]:
        numbers = form.unpack_from(self._data, self._at)
        self._at += form.size
        return numbers

    def array(self, kind: type[np.generic], *shape: int) -> NDArray[np.generic]:
        size = int(np.prod(shape))
        found: NDArray[np.generic] = np.frombuffer(self._data, kind, size, self._at)
        self._at += found.nbytes
        return found.reshape(shape)


def _filled(values: Values) -> Values:
    """The values with each NaN made its left neighbour, so that it does not disturb the differences."""
    nan = np.isnan(values)
    if not nan.any():
        return values
    source = np.where(nan, 0, np.arange(values.shape[1]))
    np.maximum.accumulate(source, axis=1, out=source)
    filled = np.take_along_axis(values, source, axis=1)
    first = np.take_along_axis(values, np.argmin(nan, axis=1)[:, None], axis=1)
    leading = np.where(np.isnan(first), 0.0, first)
    still = np.isnan(filled)
    return np.where(still, np.broadcast_to(leading, filled.shape), filled)


def _groups(values: Values) -> list[list[bytes]]:
    """Every row in the group that takes the fewest bytes."""
    left = np.arange(values.shape[0])
    made: list[list[bytes]] = []
    for places in _PLACES:
        with np.errstate(over="ignore"):
            whole = np.rint(values[left] * 10.0**places) + 0.0  # -0 becomes 0, and so is seen to differ
        exact = (np.abs(whole) < _LARGEST).all(axis=1)
        exact &= (bits_of(whole / 10.0**places) == bits_of(values[left])).all(axis=1)
        made += _whole_groups(left[exact], whole[exact].astype(np.int64), places)
        left = left[~exact]
        if not left.size:
            return made
    bits = bits_of(values[left])
    changes = np.bitwise_xor(bits[:, 1:], bits[:, :-1])
    return [*made, _group(left, bits[:, 0], changes, (_XOR, 8))]


def _whole_groups(rows: Numbers, whole: Numbers, places: int) -> list[list[bytes]]:
    steps = np.diff(whole, axis=1)
    largest = np.abs(steps).max(axis=1, initial=0)
    widths = np.select([largest < _SMALLEST_OF_WIDTH[width] for width in _WIDTHS[1:-1]], _WIDTHS[1:-1], 8)
    widths[largest == 0] = 0
    return [
        _group(rows[chosen], whole[chosen, 0], steps[chosen], (places, width))
        for width in _WIDTHS
        if (chosen := np.flatnonzero(widths == width)).size
    ]


def _group(rows: Numbers, firsts: Numbers, steps: Numbers, kind: tuple[int, int]) -> list[bytes]:
    width = kind[1]
    planes = np.ascontiguousarray(steps).view(np.uint8).reshape(*steps.shape, 8)[..., :width]
    return [
        _GROUP.pack(*kind, rows.size),
        rows.astype(np.uint16).tobytes(),
        np.ascontiguousarray(firsts).tobytes(),
        np.ascontiguousarray(planes.transpose(2, 0, 1)).tobytes(),
    ]


def _packed_times(times: Times) -> bytes:
    """The differences of differences: all zero where a sender keeps its rhythm."""
    return np.concatenate([times[:1], np.diff(np.diff(times, prepend=times[:1]))]).astype(np.int64).tobytes()


def _unpacked_times(packed: Times) -> Times:
    steps = np.cumsum(packed[1:])
    return np.cumsum(np.concatenate([packed[:1], steps]))


def _decoded(reader: _Reader, wanted: Numbers) -> Decoded:
    columns, rows, gaps, marks, groups = reader.unpack(_HEAD)
    times = _unpacked_times(reader.array(np.int64, columns))  # type: ignore[arg-type]  # of that very kind
    gapped = reader.array(np.uint16, gaps)
    absent = reader.array(np.uint8, gaps, -(-columns // 8))
    mark_places = reader.array(np.uint32, marks)
    mark_bits = reader.array(np.int64, marks)
    places = np.full(max(rows, int(wanted.max(initial=-1)) + 1), -1)
    places[wanted] = np.arange(wanted.size)
    bits = np.full((wanted.size, columns), ABSENT_BITS, np.int64)
    for _ in range(groups):
        _decode_group(reader, places, bits)
    _restore(bits, places, (gapped, np.unpackbits(absent, axis=1, count=columns).astype(bool)))  # type: ignore[arg-type]
    _mark(bits, places, mark_places.astype(np.int64), mark_bits)
    return Decoded(times, bits.view(np.float64))


def _decode_group(reader: _Reader, places: Numbers, bits: Numbers) -> None:
    decimals, width, count = reader.unpack(_GROUP)
    columns = bits.shape[1]
    to = places[reader.array(np.uint16, count)]
    firsts = reader.array(np.int64, count)
    planes = reader.array(np.uint8, width, count, columns - 1)
    chosen = np.flatnonzero(to >= 0)
    if not chosen.size:
        return
    if chosen.size < count:
        to, firsts, planes = to[chosen], firsts[chosen], planes[:, chosen]
    steps = _joined(planes, width)
    running = np.empty((to.size, columns), np.int64)
    running[:, 0] = firsts
    if decimals == _XOR:
        running[:, 1:] = steps
        np.bitwise_xor.accumulate(running, axis=1, out=running)
        bits[to] = running
        return
    running[:, 1:] = steps
    np.cumsum(running, axis=1, out=running)
    values = running / 10.0**decimals if decimals else running.astype(np.float64)
    bits[to] = values.view(np.int64)


def _joined(planes: NDArray[np.generic], width: int) -> Numbers | NDArray[np.generic]:
    """The differences again, as numbers of their own width with a sign."""
    if width == 0:
        return np.zeros(planes.shape[1:], np.int8)
    joined = np.ascontiguousarray(planes.transpose(1, 2, 0))
    return joined.view(f"<i{width}")[..., 0]


def _restore(bits: Numbers, places: Numbers, gaps: tuple[Numbers, NDArray[np.bool_]]) -> None:
    """Make cells absent again."""
    gapped, absent = gaps
    to = places[gapped]
    bits[to[to >= 0]] = np.where(absent[to >= 0], ABSENT_BITS, bits[to[to >= 0]])


def _mark(bits: Numbers, places: Numbers, at: Numbers, marks: NDArray[np.generic]) -> None:
    """Put the NaNs back that are samples."""
    if not at.size:
        return
    row, column = np.divmod(at, bits.shape[1])
    to = places[row]
    bits[to[to >= 0], column[to >= 0]] = marks[to >= 0]
