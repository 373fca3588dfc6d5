"""A mesh started as a person would, by the `tillmesh` command, and a collector for its spans."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import grpc
import pytest
from opentelemetry.proto.collector.trace.v1 import trace_service_pb2_grpc as traces_grpc

from tests.process.mesh import Collector, Mesh, free_base


@pytest.fixture(scope="session")
def start_mesh() -> Iterator[Callable[..., Mesh]]:
    """Start a mesh with more environment; all are stopped at the end."""
    started: list[Mesh] = []

    def start(**environ: str) -> Mesh:
        home = Path(tempfile.mkdtemp(prefix="tillmesh-mesh-"))
        home.chmod(0o711)  # run by root, PostgreSQL is another user
        mesh = Mesh(home, free_base(), environ)
        started.append(mesh)
        up = mesh.tillmesh("up", "--detach")
        assert up.returncode == 0, up.stdout + up.stderr
        mesh.restock(100_000)  # load takes more than a demonstration shop has
        return mesh

    yield start
    for mesh in started:
        mesh.http.close()
        stopped = mesh.tillmesh("down")
        shutil.rmtree(mesh.home, ignore_errors=True)
        assert stopped.returncode == 0, stopped.stderr


@pytest.fixture(scope="session")
def collecting() -> Iterator[tuple[Collector, int]]:
    """A collector and its port."""
    server, collector = grpc.server(ThreadPoolExecutor(max_workers=4)), Collector()
    traces_grpc.add_TraceServiceServicer_to_server(collector, server)  # type: ignore[no-untyped-call] # shipped without types
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    yield collector, port
    server.stop(None).wait()


@pytest.fixture(scope="session")
def collector(collecting: tuple[Collector, int]) -> Collector:
    return collecting[0]


@pytest.fixture(scope="session")
def shared_mesh(start_mesh: Callable[..., Mesh], collecting: tuple[Collector, int]) -> Mesh:
    return start_mesh(
        OTEL_TRACES_SAMPLER_ARG="1",
        OTEL_EXPORTER_OTLP_TRACES_ENDPOINT=f"http://127.0.0.1:{collecting[1]}",
    )


@pytest.fixture
def mesh(shared_mesh: Mesh) -> Mesh:
    """The mesh that tests share, whole again whatever the last one did to it."""
    shared_mesh.ready()
    return shared_mesh
