"""Health over real sockets: each process in its own protocol."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import grpc
import pytest
from grpc_health.v1 import health_pb2 as pb
from grpc_health.v1 import health_pb2_grpc as pb_grpc
from typing_extensions import override

from launcher.embedded_postgres import EmbeddedPostgres
from launcher.health import HealthReader
from launcher.records import Probe, ProbeKind


@pytest.fixture
def reader() -> Iterator[HealthReader]:
    reader = HealthReader()
    yield reader
    reader.close()


class CheckOnly(pb_grpc.HealthServicer):  # type: ignore[misc]  # the library has no types
    """An older server: it knows no List."""

    @override
    def Check(self, request: pb.HealthCheckRequest, context: grpc.ServicerContext) -> pb.HealthCheckResponse:
        if request.service == "startup":
            context.abort(grpc.StatusCode.NOT_FOUND, "unknown")
        return pb.HealthCheckResponse(status=1 if request.service != "readiness" else 2)


class Listing(CheckOnly):
    @override
    def List(self, request: pb.HealthListRequest, context: grpc.ServicerContext) -> pb.HealthListResponse:
        names = {"readiness": 1, "dependency/payments": 2}
        return pb.HealthListResponse(
            statuses={name: pb.HealthCheckResponse(status=status) for name, status in names.items()}
        )


def served(servicer: pb_grpc.HealthServicer) -> tuple[grpc.Server, str]:
    server = grpc.server(ThreadPoolExecutor(1))
    pb_grpc.add_HealthServicer_to_server(servicer, server)
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    return server, f"127.0.0.1:{port}"


def test_a_service_lists_all_its_names(reader: HealthReader) -> None:
    server, address = served(Listing())

    health = reader.read(Probe(ProbeKind.GRPC, address))

    server.stop(None).wait()
    assert health == {"readiness": "SERVING", "dependency/payments": "NOT_SERVING"}


def test_a_service_without_a_list_is_asked_name_by_name(reader: HealthReader) -> None:
    server, address = served(CheckOnly())

    health = reader.read(Probe(ProbeKind.GRPC, address))

    server.stop(None).wait()
    assert health == {
        "": "SERVING",
        "liveness": "SERVING",
        "readiness": "NOT_SERVING",
        "startup": "SERVICE_UNKNOWN",
    }


def test_a_service_that_comes_up_is_heard_soon(reader: HealthReader) -> None:
    with socket.create_server(("127.0.0.1", 0)) as holder:
        address = f"127.0.0.1:{holder.getsockname()[1]}"
    assert reader.read(Probe(ProbeKind.GRPC, address)) == {"readiness": "UNKNOWN"}

    server = grpc.server(ThreadPoolExecutor(1))
    pb_grpc.add_HealthServicer_to_server(Listing(), server)
    server.add_insecure_port(address)
    server.start()
    threading.Event().wait(0.6)  # the channel's own backoff, which no clock of ours turns
    health = reader.read(Probe(ProbeKind.GRPC, address))
    server.stop(None).wait()

    assert health["readiness"] == "SERVING"


def test_the_gateway_answers_by_pages(reader: HealthReader) -> None:
    class Pages(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(503 if self.path == "/health/ready" else 200)
            self.send_header("Content-Length", "0")
            self.end_headers()

        @override
        def log_message(self, *_arguments: object) -> None:
            """Tests read state, not access logs."""

    with HTTPServer(("127.0.0.1", 0), Pages) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
        thread.start()
        health = reader.read(Probe(ProbeKind.GATEWAY, f"127.0.0.1:{server.server_port}"))
        page = reader.read(Probe(ProbeKind.HTTP, f"127.0.0.1:{server.server_port}/sandbox/health"))
        server.shutdown()
        thread.join()

    assert health == {"liveness": "SERVING", "readiness": "NOT_SERVING", "startup": "SERVING"}
    assert page == {"readiness": "SERVING"}


def test_a_real_postgres_and_a_real_valkey_are_heard(
    reader: HealthReader, postgres_server: EmbeddedPostgres, valkey_url: str
) -> None:
    folder = postgres_server.admin_url.rpartition("host=")[2].replace("%2F", "/")
    valkey = valkey_url.removeprefix("unix://").partition("?")[0].replace("%2F", "/")

    assert reader.read(Probe(ProbeKind.POSTGRES, f"{folder}/.s.PGSQL.5432")) == {"readiness": "SERVING"}
    assert reader.read(Probe(ProbeKind.VALKEY, valkey)) == {"readiness": "SERVING"}


@pytest.mark.parametrize("answer", [b"", b"E\x00\x00\x00\x20SFATAL\x00C57P03\x00Mstarting up\x00\x00"])
def test_a_postgres_that_says_not_now_does_not_serve(
    reader: HealthReader, tmp_path: Path, answer: bytes
) -> None:
    path = str(tmp_path / "socket")

    def respond(listener: socket.socket) -> None:
        connection, _ = listener.accept()
        with connection:
            connection.recv(1024)
            connection.sendall(answer)

    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(path)
        listener.listen()
        thread = threading.Thread(target=respond, args=[listener])
        thread.start()
        health = reader.read(Probe(ProbeKind.POSTGRES, path))
        thread.join()

    assert health == {"readiness": "NOT_SERVING"}
