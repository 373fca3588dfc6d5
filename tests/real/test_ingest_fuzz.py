"""Bytes of every kind at the two doors of monitoring: an exact refusal, no crash, no growth."""

from __future__ import annotations

import random
import tracemalloc
from collections.abc import Callable, Iterator

import cramjam
import pytest
from google.protobuf.message import DecodeError
from opentelemetry.proto.collector.metrics.v1 import metrics_service_pb2 as pb
from opentelemetry.proto.metrics.v1 import metrics_pb2 as m

from servicekit.clock import ManualClock
from servicekit.instruments import Instruments
from services.monitoring.ingest import Intake, Limits
from services.monitoring.metrics import IngestSignals
from services.monitoring.windows import Bounds, Keeper, Windows
from services.monitoring.wire import otlp, remote_write
from tests.services.monitoring.test_ingest_rpc import attribute, counter, gauge, histogram, point
from tests.services.monitoring.test_remote_write import NOW, UP, Told, bomb, request

pytestmark = [pytest.mark.proof, pytest.mark.timeout(900)]

SEED = 20261123
INPUTS = 100_000
INPUTS_IN_TORTURE = 5_000_000
MOST_GROWTH_BYTES = 3_000_000
"""From the middle of the inputs to their end, when everything that is bounded is full."""

Decode = Callable[[bytes], None]


class Doors:
    """Both decoders before one store, all of it small, so that every limit is met."""

    def __init__(self) -> None:
        self.clock = ManualClock()
        self.windows = Windows(Bounds(series=500, history_bytes=1_000_000, fresh_seconds=60))
        signals = IngestSignals(Instruments("monitoring"))
        limits = Limits(senders=8, series=200, metrics=100, samples_per_second=1e9)
        self.intake = Intake(self.windows, self.clock, signals, limits=limits)
        self.keeper = Keeper(self.windows)
        self.taken = self.refused = 0

    def otlp(self, body: bytes) -> None:
        try:
            message = otlp.lean.Request.FromString(body)
        except DecodeError:
            self.refused += 1
            return
        otlp.answer(list(otlp.take(message, self.intake)))
        self.taken += 1

    def remote_write(self, body: bytes) -> None:
        try:
            message = remote_write.unpacked(body)
        except remote_write.NoWriteRequest:
            self.refused += 1
            return
        remote_write.answer(list(remote_write.take(message, "127.0.0.1", self.intake)))
        self.taken += 1

    def remote_write_packed(self, body: bytes) -> None:
        """So that what is inside is reached however it was mutated."""
        self.remote_write(bytes(cramjam.snappy.compress_raw(body)))

    def rest(self) -> None:
        self.clock.advance(1)
        self.intake.look()
        self.keeper.keep()


def otlp_bodies() -> list[bytes]:
    labels = [attribute("service.name", "orders"), attribute("service.instance.id", "1")]
    metrics = [
        counter(*(point(3, [attribute("n", str(n))]) for n in range(5))),
        gauge(point(as_double=-2.5), point(as_int=7, attributes=[attribute("http.method", "GET")])),
        histogram(bucket_counts=[1, 2, 4], explicit_bounds=[0.5, 1], count=7),
        m.Metric(name="s", summary=m.Summary(data_points=[m.SummaryDataPoint()])),
    ]
    resource = m.ResourceMetrics(scope_metrics=[m.ScopeMetrics(metrics=metrics)])
    resource.resource.attributes.extend(labels)
    return [
        bytes(pb.ExportMetricsServiceRequest(resource_metrics=[resource] * n).SerializeToString())
        for n in (1, 3)
    ]


def remote_bodies() -> list[bytes]:
    told: list[Told] = [(UP | {b"n": b"%d" % n, b"le": b"0.5"}, [(NOW + n, float(n))]) for n in range(8)]
    return [request(*told), request(told[0])]


def mutated(body: bytes, chance: random.Random) -> bytes:
    """The same with some bytes changed, cut, doubled, or made a length that promises more than there is."""
    made = bytearray(body)
    for _ in range(chance.choice((1, 1, 1, 2, 8))):
        at = chance.randrange(len(made) + 1)
        # Mostly in place: what changes a length is mostly refused at the first look.
        match chance.choice((0, 0, 0, 0, 0, 1, 2, 3, 4, 5, 5)):
            case 0:
                made[at : at + 1] = bytes([chance.randrange(256)])
            case 1:
                del made[at : at + chance.randint(1, 20)]
            case 2:
                made[at:at] = made[at : at + chance.randint(1, 40)]
            case 3:
                made[at:at] = b"\xff\xff\xff\xff\x0f"
            case 4:
                made[at:at] = chance.randbytes(chance.randint(1, 20))
            case _:
                made[at : at + 8] = chance.choice((b"\xff" * 8, bytes(8), b"\x03\0\0\0\0\0\xf0\x7f"))
    return bytes(made)


def hostile(doors: Doors, chance: random.Random) -> Iterator[tuple[Decode, bytes]]:
    """Without end."""
    otlp_seeds, remote_seeds = otlp_bodies(), remote_bodies()
    packed = [bytes(cramjam.snappy.compress_raw(body)) for body in remote_seeds]
    while True:
        yield doors.otlp, mutated(chance.choice(otlp_seeds), chance)
        yield doors.remote_write, mutated(chance.choice(packed), chance)
        yield doors.remote_write_packed, mutated(chance.choice(remote_seeds), chance)
        yield doors.remote_write, bomb(chance.choice((100, 2**20, 2**25, 2**32 - 1)))
        yield chance.choice((doors.otlp, doors.remote_write)), chance.randbytes(chance.randint(0, 300))


def run(inputs: int, doors: Doors, chance: random.Random) -> int:
    """Feed so many; how much more is held at the end than in the middle."""
    middle = 0
    tracemalloc.start()
    try:
        for number, (decode, body) in zip(range(inputs), hostile(doors, chance), strict=False):
            decode(body)
            if number % 100 == 0:
                doors.rest()
            if number == inputs // 2:
                middle = tracemalloc.get_traced_memory()[0]
        return tracemalloc.get_traced_memory()[0] - middle
    finally:
        tracemalloc.stop()


def test_whatever_bytes_come_nothing_breaks_and_nothing_grows(*, torture: bool) -> None:
    print(f"seed {SEED}")
    doors = Doors()

    growth = run(INPUTS_IN_TORTURE if torture else INPUTS, doors, random.Random(SEED))

    print(f"{doors.taken} taken, {doors.refused} refused, {growth / 1e6:.2f} MB grown")
    assert growth < MOST_GROWTH_BYTES
    assert min(doors.taken, doors.refused) > INPUTS // 10
    assert doors.windows.occupancy().series <= 500


def test_a_decoder_that_breaks_would_be_seen() -> None:
    def breaks(body: bytes) -> None:
        raise IndexError(body[:1])

    doors = Doors()
    doors.remote_write_packed = breaks  # type: ignore[method-assign]

    with pytest.raises(IndexError):
        run(100, doors, random.Random(SEED))


def test_an_intake_that_keeps_everything_would_be_seen() -> None:
    doors = Doors()
    decode = doors.otlp
    hoard: list[bytes] = []

    def hoards(body: bytes) -> None:
        hoard.append(body * 20)
        decode(body)

    doors.otlp = hoards  # type: ignore[method-assign]

    assert run(4_000, doors, random.Random(SEED)) > MOST_GROWTH_BYTES
