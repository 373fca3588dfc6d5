"""Prometheus's own promtool finds nothing to complain of in what we expose."""

from __future__ import annotations

import shutil
import subprocess

import httpx
import pytest

from tests.process.mesh import Mesh

pytestmark = [
    pytest.mark.proof,
    pytest.mark.skipif(
        shutil.which("promtool") is None, reason="promtool is not installed (Debian: prometheus)"
    ),
]

METRICS_PORT = {"gateway": 1, "auth": 3, "orders": 5, "payments": 7, "monitoring": 9}


def complaints(page: str) -> str:
    checked = subprocess.run(
        ["promtool", "check", "metrics"], check=False, input=page, capture_output=True, text=True, timeout=30
    )
    return checked.stdout + checked.stderr


@pytest.mark.parametrize("service", METRICS_PORT)
def test_promtool_accepts_the_metrics_page(mesh: Mesh, service: str) -> None:
    assert mesh.order().status_code == 201

    page = httpx.get(f"http://127.0.0.1:{mesh.port_base + METRICS_PORT[service]}/metrics", trust_env=False)

    assert page.status_code == 200
    assert "process_resident_bytes" in page.text
    assert complaints(page.text) == ""


def test_control_promtool_complains_of_a_bad_page() -> None:
    assert "no help text" in complaints("# TYPE orders counter\norders 1\n")
