"""Files that only grow: records with a checksum each, readable up to the last whole one.

A process that is killed while it writes leaves a torn last record; a reader stops there
and loses nothing that was written before.
"""

from __future__ import annotations

import json
import struct
import zlib
from collections.abc import Iterator, Sequence
from enum import IntEnum
from pathlib import Path
from typing import NamedTuple, TypeAlias

import cramjam
import numpy as np

from services.monitoring.promql import Labels
from services.monitoring.windows.lane import Cohort
from services.monitoring.windows.model import Numbers, Values

MAGIC = b"TILLWIN1"
"""How each file begins; the digit is the version of what follows."""

_HEAD = struct.Struct("<BII")
"""Kind, bytes of the body, CRC-32 of both and of the body."""
_SAMPLES = struct.Struct("<IqI")
_BLOCK = struct.Struct("<Iqq")
BLOCK_OFFSET = _HEAD.size + _BLOCK.size
"""From the start of a record of a block to the block's own bytes."""


class _Kind(IntEnum):
    ROWS = 1
    SAMPLES = 2
    BLOCK = 3


class RowsRecord(NamedTuple):
    """Which series lie in the rows of a lane, from a row on."""

    lane: int
    cohort: Cohort
    first_row: int
    labels: Sequence[Labels]


class SamplesRecord(NamedTuple):
    """Samples of one time in one lane."""

    lane: int
    time_ms: int
    rows: Numbers
    values: Values


class BlockRecord(NamedTuple):
    """A packed block of a lane, and where in the file its bytes are."""

    lane: int
    start_ms: int
    end_ms: int
    offset: int
    size: int


Record: TypeAlias = RowsRecord | SamplesRecord | BlockRecord


class Damaged(ValueError):
    """A file has bytes that are no record, from `offset` on."""

    def __init__(self, offset: int) -> None:
        super().__init__(f"no record at {offset}")
        self.offset = offset


def rows_record(record: RowsRecord) -> bytes:
    """Encode which series lie where."""
    said = [record.lane, record.cohort, record.first_row, [list(each.items()) for each in record.labels]]
    return _framed(_Kind.ROWS, bytes(cramjam.zstd.compress(json.dumps(said).encode(), 3)))


def samples_record(record: SamplesRecord) -> bytes:
    """Encode samples."""
    head = _SAMPLES.pack(record.lane, record.time_ms, record.rows.size)
    return _framed(_Kind.SAMPLES, head + record.rows.astype(np.uint16).tobytes() + record.values.tobytes())


def block_record(lane: int, start_ms: int, end_ms: int, payload: bytes) -> bytes:
    """Encode a block."""
    return _framed(_Kind.BLOCK, _BLOCK.pack(lane, start_ms, end_ms) + payload)


def read(path: Path) -> Iterator[Record]:
    """Yield the records of a file.

    Raises:
        Damaged: It ends within a record, or has other bytes; what came before has been yielded.
        OSError: It cannot be read.
    """
    data = path.read_bytes()
    if data[: len(MAGIC)] != MAGIC:
        raise Damaged(0)
    at = len(MAGIC)
    while at < len(data):
        kind, body = _checked(data, at)
        yield _decoded(kind, body, at)
        at += _HEAD.size + len(body)


def _framed(kind: _Kind, body: bytes) -> bytes:
    check = zlib.crc32(body, zlib.crc32(struct.pack("<BI", kind, len(body))))
    return _HEAD.pack(kind, len(body), check) + body


def _checked(data: bytes, at: int) -> tuple[int, memoryview]:
    if at + _HEAD.size > len(data):
        raise Damaged(at)
    kind, size, check = _HEAD.unpack_from(data, at)
    body = memoryview(data)[at + _HEAD.size : at + _HEAD.size + size]
    if len(body) < size or zlib.crc32(body, zlib.crc32(struct.pack("<BI", kind, size))) != check:
        raise Damaged(at)
    return kind, body


def _decoded(kind: int, body: memoryview, at: int) -> Record:
    match kind:
        case _Kind.ROWS:
            lane, cohort, first_row, labels = json.loads(bytes(cramjam.zstd.decompress(body)))
            return RowsRecord(lane, tuple(cohort), first_row, [Labels(map(tuple, each)) for each in labels])
        case _Kind.SAMPLES:
            lane, time_ms, count = _SAMPLES.unpack_from(body)
            rows = np.frombuffer(body, np.uint16, count, _SAMPLES.size).astype(np.int64)
            values = np.frombuffer(body[_SAMPLES.size + 2 * count :], np.float64, count)
            return SamplesRecord(lane, time_ms, rows, values)
        case _Kind.BLOCK:
            lane, start_ms, end_ms = _BLOCK.unpack_from(body)
            return BlockRecord(lane, start_ms, end_ms, at + BLOCK_OFFSET, len(body) - _BLOCK.size)
        case _:
            raise Damaged(at)
