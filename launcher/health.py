"""Asks processes how they are, each in the protocol it speaks, and never waits long.

The answer is each health name with its status, in the words of grpc.health.v1. Who
cannot be heard is UNKNOWN: that is not the same as being ill. The gRPC library
(10 MB) is loaded with this module, so a supervisor without a screen does without.
"""

from __future__ import annotations

import http.client
import socket
import struct
from collections.abc import Callable, Mapping
from pathlib import Path

import grpc
from grpc_health.v1 import health_pb2 as pb
from grpc_health.v1 import health_pb2_grpc as pb_grpc

from launcher.records import Probe, ProbeKind

READINESS = "readiness"
SERVING = "SERVING"
NOT_SERVING = "NOT_SERVING"
UNKNOWN = "UNKNOWN"

_DEADLINE_SECONDS = 1.0
_CHECKED = ("", "liveness", READINESS, "startup")
_CHANNEL_OPTIONS = [
    ("grpc.enable_http_proxy", 0),
    ("grpc.initial_reconnect_backoff_ms", 100),
    ("grpc.max_reconnect_backoff_ms", 500),
]
_HTTP_WORDS = {200: SERVING, 503: NOT_SERVING}

# The protocol's version 3.0, and its error field for SQLSTATE (PostgreSQL manual, 54.7 and 54.8).
_PROTOCOL = struct.pack("!I", 3 << 16)
_USER = b"user\x00postgres\x00\x00"
_CANNOT_CONNECT_NOW = b"C57P03\x00"

Health = Mapping[str, str]


class HealthReader:
    """Reads health; keeps its channels open, to be asked again."""

    def __init__(self) -> None:
        self._channels: dict[str, grpc.Channel] = {}
        self._ways: dict[ProbeKind, Callable[[str], Health]] = {
            ProbeKind.GRPC: self._grpc,
            ProbeKind.GATEWAY: _gateway,
            ProbeKind.HTTP: _http,
            ProbeKind.POSTGRES: _postgres,
            ProbeKind.VALKEY: _valkey,
            ProbeKind.FILE: _file,
        }

    def read(self, probe: Probe) -> Health:
        """Each health name with its status; `readiness` is always among them."""
        try:
            health = self._ways[probe.kind](probe.address)
        except (grpc.RpcError, http.client.HTTPException, OSError):
            health = {}
        return {READINESS: UNKNOWN, **health}

    def close(self) -> None:
        """Let go of the channels."""
        for channel in self._channels.values():
            channel.close()

    def _grpc(self, address: str) -> Health:
        if address not in self._channels:
            self._channels[address] = grpc.insecure_channel(address, _CHANNEL_OPTIONS)
        stub = pb_grpc.HealthStub(self._channels[address])
        try:
            listed = stub.List(pb.HealthListRequest(), timeout=_DEADLINE_SECONDS).statuses
        except grpc.RpcError as error:
            if error.code() is not grpc.StatusCode.UNIMPLEMENTED:
                raise
            return {name: _checked(stub, name) for name in _CHECKED}
        return {name: _status(response) for name, response in sorted(listed.items())}


def _checked(stub: pb_grpc.HealthStub, name: str) -> str:
    try:
        return _status(stub.Check(pb.HealthCheckRequest(service=name), timeout=_DEADLINE_SECONDS))
    except grpc.RpcError as error:
        if error.code() is grpc.StatusCode.NOT_FOUND:
            return "SERVICE_UNKNOWN"
        raise


def _status(response: pb.HealthCheckResponse) -> str:
    return str(pb.HealthCheckResponse.ServingStatus.Name(response.status))


def _gateway(address: str) -> Health:
    pages = {"liveness": "/health/live", READINESS: "/health/ready", "startup": "/health/startup"}
    return {name: _HTTP_WORDS.get(_http_status(address, page), UNKNOWN) for name, page in pages.items()}


def _http(url: str) -> Health:
    address, _, page = url.partition("/")
    return {READINESS: _HTTP_WORDS.get(_http_status(address, f"/{page}"), UNKNOWN)}


def _http_status(address: str, page: str) -> int:
    connection = http.client.HTTPConnection(address, timeout=_DEADLINE_SECONDS)
    try:
        connection.request("GET", page)
        return connection.getresponse().status
    finally:
        connection.close()


def _postgres(address: str) -> Health:
    """As pg_isready does: begin a session, and see whether the answer is "not now"."""
    length = struct.pack("!I", 4 + len(_PROTOCOL) + len(_USER))
    answer = _exchange(address, length + _PROTOCOL + _USER)
    return {READINESS: NOT_SERVING if not answer or _CANNOT_CONNECT_NOW in answer else SERVING}


def _valkey(address: str) -> Health:
    return {READINESS: SERVING if _exchange(address, b"PING\r\n").startswith(b"+PONG") else NOT_SERVING}


def _exchange(address: str, said: bytes) -> bytes:
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as connection:
        connection.settimeout(_DEADLINE_SECONDS)
        connection.connect(address)
        connection.sendall(said)
        return connection.recv(1024)


def _file(address: str) -> Health:
    return {READINESS: SERVING if Path(address).exists() else NOT_SERVING}
