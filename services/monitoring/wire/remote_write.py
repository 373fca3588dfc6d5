"""Prometheus remote write 1.0 into batches of ingest.

Source: prometheus.io/docs/specs/prw/remote_write_spec, and `prompb/remote.proto`. What
is written keeps its labels; senders mark the ends of series themselves.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Any

import cramjam
from google.protobuf.message import DecodeError

from services.monitoring.ingest import (
    BUCKET_LABEL,
    Batch,
    Family,
    Intake,
    Kind,
    Metric,
    Protocol,
    Reason,
    Receipt,
    Refused,
    Sender,
    normalised_bound,
)
from services.monitoring.promql import METRIC_NAME, Labels
from services.monitoring.wire.lean import messages

JOB = "remote_write"
MOST_BYTES = 32 * 1024 * 1024
"""Of a request once it is unpacked; Prometheus sends some hundred kilobytes."""

_SERIES_AT_ONCE = 500
_LONGEST_KEY = 32_768
_LONGEST_TEXT = 300
_MOST_NAMED = 100

_KINDS = {1: Kind.COUNTER, 2: Kind.GAUGE, 3: Kind.HISTOGRAM, 5: Kind.SUMMARY}

lean = messages(
    "tillmesh.lean.remote",
    {
        "WriteRequest": {"timeseries": (1, "TimeSeries*"), "metadata": (3, "MetricMetadata*")},
        "TimeSeries": {"labels": (1, "bytes*"), "samples": (2, "Sample*"), "histograms": (4, "bytes*")},
        "Sample": {"value": (1, "double"), "timestamp": (2, "int64")},
        "Label": {"name": (1, "bytes"), "value": (2, "bytes")},
        "MetricMetadata": {
            "type": (1, "int32"),
            "metric_family_name": (2, "bytes"),
            "help": (4, "bytes"),
            "unit": (5, "bytes"),
        },
    },
)


class NoWriteRequest(ValueError):
    """A body that is no write request; the message says why."""


def unpacked(body: bytes) -> Any:  # noqa: ANN401 - made at run time
    """The write request in a body.

    Raises:
        NoWriteRequest: It is none, or one that is too large. What it would unpack to is read first.
    """
    try:
        size = cramjam.snappy.decompress_raw_len(body)
        if size > MOST_BYTES:
            raise NoWriteRequest(f"the request is {size} bytes, and may be {MOST_BYTES}")
        return lean.WriteRequest.FromString(bytes(cramjam.snappy.decompress_raw(body)))
    except cramjam.DecompressionError as fault:
        raise NoWriteRequest(f"snappy: {fault}") from None
    except DecodeError:
        raise NoWriteRequest("not a prometheus.WriteRequest") from None


def take(request: Any, address: str, intake: Intake) -> Iterator[Receipt]:  # noqa: ANN401 - as above
    """Take in a `lean.WriteRequest`; yields every few milliseconds, so that others can have a turn."""
    opened = intake.open(Sender(JOB, address, Protocol.REMOTE_WRITE))
    if isinstance(opened, Reason):
        samples = sum(len(series.samples) for series in request.timeseries)
        yield intake.refuse(Protocol.REMOTE_WRITE, [Refused(opened, "", samples)])
        return
    for metadata in request.metadata:
        _describe(metadata, intake)
    reader = _Reader(opened, address)
    for start in range(0, len(request.timeseries), _SERIES_AT_ONCE):
        reader.read(request.timeseries[start : start + _SERIES_AT_ONCE])
        yield intake.close(reader.batch)
        reader.batch = reader.batch.another()


def answer(receipts: Iterable[Receipt]) -> tuple[int, str]:
    """A status, and what is wrong: 204; 429 for what may be sent again later; 400 for what may not."""
    refused = [refusal for receipt in receipts for refusal in receipt.refused if refusal.points]
    if not refused:
        return 204, ""
    is_passing = any(refusal.reason is Reason.TOO_FAST for refusal in refused)
    first = refused[0]
    count = sum(refusal.points for refusal in refused)
    text = f"{count} refused; the first: {first.reason}, {first.metric[:_MOST_NAMED]!r}\n"
    return (429 if is_passing else 400), text


class _Reader:
    """The series of one request, on their way into batches."""

    def __init__(self, batch: Batch, address: str) -> None:
        self.batch = batch
        self._address = address

    def read(self, told: Sequence[Any]) -> None:
        # One look-up for all: here the metric's name is a label like any other.
        known = self.batch.desk.families.setdefault(b"", Family("", Kind.UNKNOWN)).series
        add = self.batch.add
        self.batch.begin("")
        for series in told:
            key = b"".join(series.labels)
            number = known.get(key)
            if number is None:
                found = self._new(series.labels, key)
                if isinstance(found, Reason):
                    self.batch.refuse(found, _name(series.labels), len(series.samples))
                    continue
                number = known[key] = found
            for sample in series.samples:
                add(number, sample.timestamp, sample.value)
            if series.histograms:
                self.batch.refuse(Reason.UNSUPPORTED_TYPE, _name(series.labels), len(series.histograms))

    def _new(self, encoded: Sequence[bytes], key: bytes) -> int | Reason:
        if len(key) > _LONGEST_KEY:
            return Reason.TOO_LONG
        labels = _labels(encoded)
        if isinstance(labels, Reason):
            return labels
        target = (labels.get("job", ""), labels.get("instance", ""))
        return self.batch.number(labels, (Protocol.REMOTE_WRITE.value, JOB, self._address, *target))


def _labels(encoded: Sequence[bytes]) -> Labels | Reason:
    found: dict[str, str] = {}
    for each in encoded:
        try:
            label = lean.Label.FromString(each)
            name, value = label.name.decode(), label.value.decode()
        except (DecodeError, UnicodeDecodeError):
            return Reason.BAD_LABELS
        if name in found:
            return Reason.BAD_LABELS
        found[name] = normalised_bound(value) if name == BUCKET_LABEL else value
    return Labels(found)


def _name(encoded: Sequence[bytes]) -> str:
    labels = _labels(encoded)
    return "" if isinstance(labels, Reason) else labels.get(METRIC_NAME, "")


def _describe(metadata: Any, intake: Intake) -> None:  # noqa: ANN401 - as above
    name = metadata.metric_family_name.decode(errors="replace")
    if len(name) <= intake.limits.name_length:
        help_text = metadata.help.decode(errors="replace")[:_LONGEST_TEXT]
        unit = metadata.unit.decode(errors="replace")[:_LONGEST_TEXT]
        intake.describe(name, Metric(_KINDS.get(metadata.type, Kind.UNKNOWN), help_text, unit))
