"""Remote write by real bodies, and what hostile ones get."""

from __future__ import annotations

import struct

import cramjam
import pytest

from servicekit.clock import ManualClock
from servicekit.instruments import Instruments
from services.monitoring.ingest import Intake, Limits
from services.monitoring.metrics import IngestSignals
from services.monitoring.promql import Labels, Matcher
from services.monitoring.windows import STALE, Windows
from services.monitoring.windows.model import bits_of
from services.monitoring.wire import remote_write
from services.monitoring.wire.remote_write import NoWriteRequest, lean, unpacked

NOW = int(ManualClock().now().timestamp() * 1000)
Told = tuple[dict[bytes, bytes], list[tuple[int, float]]]


def request(*told: Told) -> bytes:
    made = lean.WriteRequest()
    for labels, samples in told:
        series = made.timeseries.add()
        for name, value in labels.items():
            series.labels.append(lean.Label(name=name, value=value).SerializeToString())
        for at_ms, sample in samples:
            series.samples.add(timestamp=at_ms, value=sample)
    return bytes(made.SerializeToString())


def packed(*told: Told) -> bytes:
    return bytes(cramjam.snappy.compress_raw(request(*told)))


class House:
    """An intake behind the decoder."""

    def __init__(self, limits: Limits | None = None) -> None:
        self.instruments = Instruments("monitoring")
        self.windows = Windows()
        self.intake = Intake(self.windows, ManualClock(), IngestSignals(self.instruments), limits=limits)

    def write(self, *told: Told) -> tuple[int, str]:
        receipts = list(remote_write.take(unpacked(packed(*told)), "127.0.0.1", self.intake))
        return remote_write.answer(receipts)

    def kept(self) -> dict[Labels, list[tuple[int, float]]]:
        found = self.windows.select([Matcher("__name__", "=~", ".+")], 0, 1 << 60)
        return {
            each.labels: list(zip(each.timestamps.tolist(), each.values.tolist(), strict=True))
            for each in found
        }

    def rejected(self, reason: str) -> float:
        labels = {"protocol": "remote_write", "reason": reason}
        return self.instruments.registry.get_sample_value("ingest_points_rejected_total", labels) or 0.0


@pytest.fixture
def house() -> House:
    return House(Limits(series=100))


UP: dict[bytes, bytes] = {b"__name__": b"up", b"job": b"node", b"instance": b"a:9100"}


def test_series_are_kept_with_their_own_labels(house: House) -> None:
    answer = house.write((UP, [(NOW, 1.0), (NOW + 15_000, 0.0)]))

    assert answer == (204, "")
    labels = Labels({"__name__": "up", "job": "node", "instance": "a:9100"})
    assert house.kept() == {labels: [(NOW, 1.0), (NOW + 15_000, 0.0)]}


def test_the_bound_of_a_bucket_is_normalised(house: House) -> None:
    house.write(({b"__name__": b"h_bucket", b"le": b"1"}, [(NOW, 1.0)]))

    assert [labels["le"] for labels in house.kept()] == ["1.0"]


def test_a_mark_of_the_sender_stays_a_mark(house: House) -> None:
    house.write((UP, [(NOW, 1.0), (NOW + 1, STALE)]))

    [found] = house.windows.select([Matcher("__name__", "=", "up")], 0, 1 << 60)
    assert hex(bits_of(found.values)[1]) == "0x7ff0000000000002"


def test_the_same_request_again_is_no_fault_and_another_value_is(house: House) -> None:
    house.write((UP, [(NOW, 1.0)]))

    assert house.write((UP, [(NOW, 1.0)])) == (204, "")
    assert house.write((UP, [(NOW, 2.0)])) == (400, "1 refused; the first: duplicate, 'up'\n")
    assert house.write((UP, [(NOW - 1, 1.0)])) == (400, "1 refused; the first: out_of_order, 'up'\n")


HOSTILE: dict[str, tuple[dict[bytes, bytes], str]] = {
    "no name": ({b"job": b"x"}, "unnamed"),
    "no labels": ({}, "unnamed"),
    "an empty name of a label": ({b"__name__": b"m", b"": b"x"}, "unnamed"),
    "a label that is no UTF-8": ({b"__name__": b"m", b"a": b"\xff\xfe"}, "bad_labels"),
    "a name that is no UTF-8": ({b"__name__": b"\xc3\x28"}, "bad_labels"),
    "a thousand labels": ({b"__name__": b"m"} | {b"l%d" % n: b"x" for n in range(1_000)}, "too_many_labels"),
    "a label of a megabyte": ({b"__name__": b"m", b"a": b"x" * 1_000_000}, "too_long"),
    "a name of a megabyte": ({b"__name__": b"m" * 1_000_000}, "too_long"),
}


@pytest.mark.parametrize(("labels", "reason"), HOSTILE.values(), ids=HOSTILE)
def test_a_hostile_series_is_refused_by_reason_while_its_neighbours_are_kept(
    house: House, labels: dict[bytes, bytes], reason: str
) -> None:
    status, text = house.write((labels, [(NOW, 1.0)]), (UP, [(NOW, 1.0)]))

    assert status == 400
    assert reason in text
    assert len(text) < 300
    assert house.rejected(reason) == 1
    assert len(house.kept()) == 1


def test_a_native_histogram_is_refused_and_the_floats_beside_it_are_kept(house: House) -> None:
    made = lean.WriteRequest.FromString(request((UP, [(NOW, 1.0)])))
    made.timeseries[0].histograms.append(b"\x08\x01")
    body = bytes(cramjam.snappy.compress_raw(made.SerializeToString()))

    status, text = remote_write.answer(remote_write.take(unpacked(body), "127.0.0.1", house.intake))

    assert (status, text) == (400, "1 refused; the first: unsupported_type, 'up'\n")
    assert len(house.kept()) == 1


def test_an_explosion_of_labels_is_cut_at_the_limit_and_told_in_one_line(house: House) -> None:
    told: list[Told] = [({b"__name__": b"m", b"n": b"%d" % n}, [(NOW, 1.0)]) for n in range(5_000)]

    status, text = house.write(*told)

    assert (status, text) == (400, "4900 refused; the first: too_many_series, 'm'\n")
    assert len(house.kept()) == 100


def test_a_sender_that_is_too_fast_may_send_again_later() -> None:
    house = House(Limits(samples_per_second=1))

    assert house.write((UP, [(NOW + step, 1.0) for step in range(20)]))[0] == 429


def bomb(size: int) -> bytes:
    """A few bytes of snappy that say they unpack to many."""
    length, left = b"", size
    while left > 127:
        length, left = length + bytes([left & 127 | 128]), left >> 7
    return length + bytes([left]) + b"\x00a" + b"\xfe\x01\x00" * 50


def zeros(size: int) -> bytes:
    return bytes(cramjam.snappy.compress_raw(b"\0" * size))


BODIES = {
    "nothing": (b"", "snappy|not a prometheus"),
    "noise": (bytes(range(256)), "snappy|may be"),
    "a claim of four gigabytes": (bomb(2**32 - 1), "may be 33554432"),
    "a claim of a little too much": (bomb(33_554_433), "may be 33554432"),
    "a claim that is a lie": (bomb(1_000_000), "snappy"),
    "forty megabytes of nothing": (zeros(40_000_000), "may be 33554432"),
    "a megabyte of nothing": (zeros(1_000_000), "not a prometheus"),
    "half a request": (
        bytes(cramjam.snappy.compress_raw(request((UP, [(NOW, 1.0)]))[:-3])),
        "not a prometheus",
    ),
    "snappy of another kind": (bytes(cramjam.snappy.compress(b"x" * 100)), "snappy|may be"),
    "a float where a series should be": (zeros(0) and struct.pack("<d", 1.0), "snappy|may be"),
}


@pytest.mark.parametrize(("body", "words"), BODIES.values(), ids=BODIES)
def test_a_body_that_is_no_request_is_refused_exactly(body: bytes, words: str) -> None:
    if not body:
        assert not unpacked(zeros(0)).timeseries
    with pytest.raises(NoWriteRequest, match=words):
        unpacked(body)
