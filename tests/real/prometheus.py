"""A real Prometheus, with samples of our choice, to be asked the same questions.

The samples go in by remote write, which carries stale markers too. Head chunks of a day
keep it from compacting, and let series be written one after the other.
"""

import json
import shutil
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cramjam
import httpx
import numpy as np

from services.monitoring.promql import Series

BINARY = shutil.which("prometheus")
MISSING = "needs the prometheus binary (Debian package `prometheus`), which is not installed"
_BATCH_SAMPLES = 200_000
_READY_SECONDS = 30
_SAMPLE = np.dtype(
    [("head", "u1", 2), ("value_tag", "u1"), ("value", "<f8"), ("time_tag", "u1"), ("time", "u1", 6)]
)
_FIRST_MS, _LAST_MS = 2**35, 2**42 - 1


@dataclass(frozen=True)
class Prometheus:
    """A running server."""

    http: httpx.Client
    version: str

    def write(self, series: Sequence[Series]) -> None:
        """Store samples; those of each series must be newer than any it has."""
        batch, size = b"", 0
        for one in series:
            batch += _field(1, _encoded(one))
            size += len(one.timestamps)
            if size >= _BATCH_SAMPLES:
                self._send(batch)
                batch, size = b"", 0
        self._send(batch)

    def _send(self, body: bytes) -> None:
        answer = self.http.post(
            "/api/v1/write",
            content=bytes(cramjam.snappy.compress_raw(body)),
            headers={
                "Content-Encoding": "snappy",
                "Content-Type": "application/x-protobuf",
                "X-Prometheus-Remote-Write-Version": "0.1.0",
            },
        )
        assert answer.status_code == httpx.codes.NO_CONTENT, answer.text

    def query(self, expression: str, time_ms: int) -> dict[str, Any]:
        """Return what an instant query answers."""
        answer: dict[str, Any] = json.loads(self.content(expression, time_ms))
        return answer

    def query_range(self, expression: str, start_ms: int, end_ms: int, step_ms: int) -> dict[str, Any]:
        """Return what a range query answers."""
        answer: dict[str, Any] = json.loads(self.range_content(expression, start_ms, end_ms, step_ms))
        return answer

    def content(self, expression: str, time_ms: int) -> bytes:
        """Return the answer to an instant query, as it comes, with statistics."""
        form = {"query": expression, "time": f"{time_ms / 1000:.3f}", "stats": "true"}
        return self.http.post("/api/v1/query", data=form).content

    def range_content(self, expression: str, start_ms: int, end_ms: int, step_ms: int) -> bytes:
        """Return the answer to a range query, as it comes, with statistics."""
        times = {"start": start_ms, "end": end_ms, "step": step_ms}
        seconds = {name: f"{time / 1000:.3f}" for name, time in times.items()}
        form = {"query": expression, **seconds, "stats": "true"}
        return self.http.post("/api/v1/query_range", data=form).content


@contextmanager
def running_prometheus(*, max_samples: int = 50_000_000) -> Iterator[Prometheus]:
    """Start a server with nothing in it; end it, and forget all, on leaving."""
    folder = Path(tempfile.mkdtemp(prefix="prometheus-"))
    (folder / "prometheus.yml").write_text("global: {}\n")
    port = _free_port()
    log = (folder / "log").open("w")
    process = subprocess.Popen(_command(folder, port, max_samples), stdout=log, stderr=subprocess.STDOUT)
    try:
        with httpx.Client(base_url=f"http://127.0.0.1:{port}", timeout=120) as http:
            _wait_until_ready(http, process, folder / "log")
            version = http.get("/api/v1/status/buildinfo").json()["data"]["version"]
            yield Prometheus(http, version)
    finally:
        process.kill()
        process.wait()
        log.close()
        shutil.rmtree(folder)


def _command(folder: Path, port: int, max_samples: int) -> list[str]:
    return [
        BINARY or "prometheus",
        f"--config.file={folder / 'prometheus.yml'}",
        f"--storage.tsdb.path={folder / 'data'}",
        f"--web.listen-address=127.0.0.1:{port}",
        "--web.enable-remote-write-receiver",
        "--storage.tsdb.min-block-duration=24h",
        "--storage.tsdb.max-block-duration=24h",
        "--storage.tsdb.retention.time=100y",
        f"--query.max-samples={max_samples}",
        "--log.level=warn",
    ]


def _wait_until_ready(http: httpx.Client, process: subprocess.Popen[bytes], log: Path) -> None:
    deadline = time.monotonic() + _READY_SECONDS
    while time.monotonic() < deadline and process.poll() is None:
        try:
            if http.get("/-/ready").is_success:
                return
        except httpx.TransportError:
            time.sleep(0.1)
    raise RuntimeError(f"prometheus did not become ready: {log.read_text()[-2000:]}")


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def _encoded(series: Series) -> bytes:
    """Return a `prometheus.TimeSeries` message."""
    labels = b"".join(
        _field(1, _field(1, name.encode()) + _field(2, value.encode()))
        for name, value in series.labels.items()
    )
    return labels + _samples(series)


def _samples(series: Series) -> bytes:
    """Return the samples as fields: for times from 1971 to 2109 they all have the same length."""
    times = series.timestamps
    assert not len(times) or (times[0] >= _FIRST_MS and times[-1] <= _LAST_MS)
    records = np.zeros(len(times), dtype=_SAMPLE)
    records["head"] = (0x12, _SAMPLE.itemsize - 2)
    records["value_tag"], records["value"] = 0x09, series.values
    records["time_tag"] = 0x10
    septets = (times[:, None] >> (7 * np.arange(6))) & 0x7F
    records["time"] = septets | np.array([0x80] * 5 + [0])
    return records.tobytes()


def _field(number: int, content: bytes) -> bytes:
    return bytes([number << 3 | 2]) + _varint(len(content)) + content


def _varint(value: int) -> bytes:
    encoded = bytearray()
    while value > 0x7F:
        encoded.append(value & 0x7F | 0x80)
        value >>= 7
    encoded.append(value)
    return bytes(encoded)
