"""`tillmesh query` against a monitoring that answers as ours does."""

from __future__ import annotations

import argparse
import json
import os
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs

import pytest
from typing_extensions import override

from launcher.errors import BadUsage, NothingRuns
from launcher.identity import identify
from launcher.queries import BadQuery, span_seconds
from launcher.records import Probe, ProbeKind, ProcessRecord, ProcessState, Roster
from launcher.settings import Settings, read_settings
from launcher.verbs import query
from servicekit.clock import SystemClock

VECTOR = {"resultType": "vector", "result": [{"metric": {"__name__": "up", "job": "a"}, "value": [1, "1"]}]}
MATRIX = {"resultType": "matrix", "result": [{"metric": {}, "values": [[1, "1"], [2, "5"]]}]}


class Answering(BaseHTTPRequestHandler):
    """Answers by what is asked."""

    asked: list[tuple[str, dict[str, list[str]]]]

    def do_POST(self) -> None:
        form = parse_qs(self.rfile.read(int(self.headers["Content-Length"])).decode())
        self.asked.append((self.path, form))
        said: dict[str, Any] = {"status": "success", "data": MATRIX if "range" in self.path else VECTOR}
        if form["query"] == ["bad"]:
            said = {"status": "error", "errorType": "bad_data", "error": "no"}
        body = json.dumps(said).encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    @override
    def log_message(self, format: str, *args: Any) -> None:
        """Say nothing."""


@pytest.fixture
def asked() -> list[tuple[str, dict[str, list[str]]]]:
    return []


@pytest.fixture
def settings(tmp_path: Path, asked: list[tuple[str, dict[str, list[str]]]]) -> Iterator[Settings]:
    handler = type("Handler", (Answering,), {"asked": asked})
    server = HTTPServer(("127.0.0.1", 0), handler)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    settings = read_settings({"TILLMESH_HOME": str(tmp_path)})
    roster = Roster(settings.files.processes, lambda _: None, SystemClock())
    port = server.server_port
    roster.enter(
        [ProcessRecord("monitoring", {"http": port}, Probe(ProbeKind.GRPC, ""), ProcessState.RUNNING)]
    )
    roster.running("monitoring", identify(os.getpid()), Probe(ProbeKind.GRPC, ""))
    yield settings
    server.shutdown()
    server.server_close()
    thread.join()


def options(promql: str, span: str = "", *, as_json: bool = False) -> argparse.Namespace:
    return argparse.Namespace(promql=promql, range=span, json=as_json)


def test_a_query_is_answered_by_a_table(settings: Settings, capsys: pytest.CaptureFixture[str]) -> None:
    assert query.run(settings, options("up")) == 0

    assert 'up{job="a"}' in capsys.readouterr().out


def test_a_query_over_time_is_answered_by_a_plot(
    settings: Settings, capsys: pytest.CaptureFixture[str], asked: list[tuple[str, dict[str, list[str]]]]
) -> None:
    assert query.run(settings, options("up", "1h")) == 0

    assert "┤" in capsys.readouterr().out
    [(path, form)] = asked
    assert path == "/api/v1/query_range"
    assert float(form["end"][0]) - float(form["start"][0]) == pytest.approx(3600)


def test_prometheus_own_answer_is_one_json_document(
    settings: Settings, capsys: pytest.CaptureFixture[str]
) -> None:
    query.run(settings, options("up", as_json=True))

    assert json.loads(capsys.readouterr().out)["data"] == VECTOR


def test_a_bad_query_is_refused_in_its_words(settings: Settings) -> None:
    with pytest.raises(BadQuery, match="bad_data: no"):
        query.run(settings, options("bad"))


def test_without_a_mesh_there_is_nobody_to_ask(tmp_path: Path) -> None:
    with pytest.raises(NothingRuns):
        query.run(read_settings({"TILLMESH_HOME": str(tmp_path)}), options("up"))


@pytest.mark.parametrize(("text", "seconds"), [("30s", 30), ("15m", 900), ("1h", 3600), ("7d", 604800)])
def test_a_span_is_read(text: str, seconds: int) -> None:
    assert span_seconds(text) == seconds


@pytest.mark.parametrize("text", ["", "1", "0s", "1y", "-1h", "1h1m", "9999999s"])
def test_a_span_that_makes_no_sense_is_refused(text: str) -> None:
    with pytest.raises(BadUsage, match="--range"):
        span_seconds(text)
