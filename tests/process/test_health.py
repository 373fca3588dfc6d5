"""Every health name answers truly for a stopped PostgreSQL, a stopped Redis and a stopped peer.

Stopped is SIGSTOP: the process is there, its sockets accept, and it never answers.
"""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from contextlib import contextmanager

import psutil
import pytest

from tests.process.mesh import Mesh, eventually

ALIVE = {"liveness": "SERVING", "startup": "SERVING"}


def _root_causes(mesh: Mesh, signed_in: dict[str, str]) -> list[str]:
    answer = mesh.http.get("/v1/mesh", headers=signed_in)
    causes: list[str] = answer.json().get("rootCauses", []) if answer.status_code == 200 else []
    return causes


@contextmanager
def stopped(mesh: Mesh, name: str) -> Iterator[None]:
    """Freeze a process and its children; stopping a postmaster alone freezes no backend."""
    top = psutil.Process(mesh.process(name)["pid"])
    frozen = [top, *top.children(recursive=True)]
    for process in frozen:
        os.kill(process.pid, signal.SIGSTOP)
    try:
        yield
    finally:
        for process in frozen:
            if process.is_running():
                os.kill(process.pid, signal.SIGCONT)


def health(mesh: Mesh, name: str) -> dict[str, str]:
    answered: dict[str, str] = mesh.process(name)["health"]
    return answered


def test_monitoring_tells_of_a_stopped_postgresql_and_stays_ready(mesh: Mesh) -> None:
    signed_in = mesh.headers("manager")
    with stopped(mesh, "postgres"):
        eventually(lambda: health(mesh, "monitoring")["dependency/postgres"] == "NOT_SERVING", 15)
        seen = health(mesh, "monitoring")
        eventually(lambda: _root_causes(mesh, signed_in) == ["postgres"], 15)

    assert seen["readiness"] == "SERVING"


@pytest.mark.parametrize("service", ["auth", "orders", "payments"])
def test_a_stopped_postgresql_is_named_and_life_goes_on(mesh: Mesh, service: str) -> None:
    with stopped(mesh, "postgres"):
        eventually(lambda: health(mesh, service)["dependency/postgres"] == "NOT_SERVING", 15)
        seen = health(mesh, service)

    assert seen["readiness"] == seen[""] == "NOT_SERVING"
    assert {name: seen[name] for name in ALIVE} == ALIVE
    assert all(status == "NOT_SERVING" for name, status in seen.items() if name.startswith("tillmesh."))
    eventually(lambda: health(mesh, service)["readiness"] == "SERVING")


def test_a_stopped_redis_is_named_by_whoever_needs_it(mesh: Mesh) -> None:
    with stopped(mesh, "valkey"):
        eventually(lambda: health(mesh, "auth")["dependency/redis"] == "NOT_SERVING", 15)
        auth, orders = health(mesh, "auth"), health(mesh, "orders")

    assert auth["readiness"] == "NOT_SERVING"
    assert orders["readiness"] == "SERVING"
    eventually(lambda: health(mesh, "auth")["readiness"] == "SERVING")


def test_a_stopped_peer_is_named_and_makes_nobody_else_unready(mesh: Mesh) -> None:
    with stopped(mesh, "payments"):
        eventually(lambda: health(mesh, "orders")["dependency/payments"] == "NOT_SERVING", 15)
        orders = health(mesh, "orders")
        graph = mesh.http.get("/v1/mesh", headers=mesh.headers("manager")).json()

    assert orders["readiness"] == "SERVING"
    states = {node["name"]: node["state"] for node in graph["nodes"]}
    assert states["payments"] != "NODE_STATE_SERVING"
    eventually(lambda: health(mesh, "orders")["dependency/payments"] == "SERVING")


def test_the_gateways_pages_answer_truly(mesh: Mesh) -> None:
    for page in ("/health", "/health/live", "/health/ready", "/health/startup"):
        answer = mesh.http.get(page)
        assert answer.status_code == 200, (page, answer.text)
        assert answer.json()["status"] == "pass"
