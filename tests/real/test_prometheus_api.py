"""promtool asks us, and a real Prometheus writes to us, as if we were one of theirs."""

from __future__ import annotations

import json
import shutil
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.process.mesh import eventually
from tests.real.test_windows_survive import Monitoring

PROMTOOL = shutil.which("promtool")
PROMETHEUS = shutil.which("prometheus")

pytestmark = [pytest.mark.proof, pytest.mark.timeout(180)]


@pytest.fixture
def monitoring(free_ports: Callable[[int], list[int]]) -> Iterator[Monitoring]:
    monitoring = Monitoring("", free_ports(2))
    monitoring.start()
    yield monitoring
    monitoring.kill()


def result_of(monitoring: Monitoring, query: str) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = monitoring.get("/api/v1/query", query=query).json()["data"]["result"]
    return found


@pytest.mark.skipif(PROMTOOL is None, reason="needs promtool (Debian package `prometheus`)")
def test_promtool_asks_us_as_it_would_ask_a_prometheus(monitoring: Monitoring) -> None:
    monitoring.push_some(5)
    now = int(time.time())

    def promtool(*words: str) -> subprocess.CompletedProcess[str]:
        command = [str(PROMTOOL), "query", *words]
        return subprocess.run(command, check=False, capture_output=True, text=True, timeout=30)

    instant = promtool("instant", monitoring.url, 'work_total{n="7"}')
    span = promtool("range", f"--start={now - 60}", f"--end={now + 1}", monitoring.url, "count(work_total)")
    series = promtool("series", '--match=work_total{n="7"}', monitoring.url)
    labels = promtool("labels", monitoring.url, "n")
    broken = promtool("instant", monitoring.url, "rate(")

    assert instant.stdout.startswith('work_total{instance="", job="worker", n="7"} => 4 @[') or (
        instant.stdout.startswith('work_total{job="worker", n="7"} => 4 @[')
    )
    assert "100 @[" in span.stdout
    assert series.stdout.strip() == '{__name__="work_total", job="worker", n="7"}'
    assert len(labels.stdout.split()) == 100
    assert broken.returncode == 1
    assert "bad_data" in broken.stderr


@pytest.mark.skipif(PROMETHEUS is None, reason="needs prometheus (Debian package `prometheus`)")
def test_what_a_real_prometheus_writes_to_us_is_what_it_has(
    monitoring: Monitoring, free_ports: Callable[[int], list[int]], tmp_path: Path
) -> None:
    [port] = free_ports(1)
    config = {
        "global": {"scrape_interval": "1s"},
        "scrape_configs": [{"job_name": "self", "static_configs": [{"targets": [f"127.0.0.1:{port}"]}]}],
        "remote_write": [
            {"url": f"{monitoring.url}/api/v1/write", "queue_config": {"batch_send_deadline": "1s"}}
        ],
    }
    (tmp_path / "prometheus.yml").write_text(json.dumps(config))
    command = [
        str(PROMETHEUS),
        f"--config.file={tmp_path / 'prometheus.yml'}",
        f"--storage.tsdb.path={tmp_path / 'data'}",
        f"--web.listen-address=127.0.0.1:{port}",
        "--log.level=warn",
    ]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        eventually(lambda: len(result_of(monitoring, 'count_over_time(up{job="self"}[1m]) > 5')) == 1)
        at = result_of(monitoring, 'timestamp(up{job="self"})')[0]["value"][1]
        query = {"query": '{job="self",__name__=~"prometheus_.*|go_.*|up"}', "time": at}
        theirs = httpx.get(f"http://127.0.0.1:{port}/api/v1/query", params=query, trust_env=False).json()
        eventually(lambda: rows(monitoring.get("/api/v1/query", **query).json()) == rows(theirs))
    finally:
        process.kill()
        process.wait()
    assert len(rows(theirs)) > 100


def rows(answer: dict[str, Any]) -> dict[str, str]:
    """Values by label set; `le` as Prometheus 3 writes it."""
    found = {}
    for row in answer["data"]["result"]:
        labels = dict(row["metric"])
        if "le" in labels and labels["le"] != "+Inf":
            labels["le"] = str(float(labels["le"]))
        found[json.dumps(labels, sort_keys=True)] = row["value"][1]
    return found
