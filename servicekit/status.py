"""Refusals on the wire: `google.rpc.Status` beside the gRPC status, and back.

The only table from `Kind` to gRPC code. What crosses: kind, reason, message,
field violations, metadata, retry delay. What is *lost*: the Python type, the
traceback, and every word of a library.
"""

from __future__ import annotations

from typing import Final

import grpc
from google.protobuf import any_pb2, duration_pb2
from google.protobuf.message import Message
from google.rpc import error_details_pb2, status_pb2

from servicekit.errors import FieldViolation, Kind, Refusal

DOMAIN: Final = "tillmesh"
DETAILS_KEY: Final = "grpc-status-details-bin"
ERROR_ID: Final = "error_id"

_NANOS: Final = 1_000_000_000
_CODES: Final[dict[Kind, grpc.StatusCode]] = {kind: grpc.StatusCode[kind.value] for kind in Kind}
_KINDS: Final[dict[grpc.StatusCode, Kind]] = {code: kind for kind, code in _CODES.items()}


class RemoteRefusal(Refusal):
    """A refusal as its caller sees it, across RPC."""

    def __init__(self, kind: Kind, reason: str, message: str) -> None:
        super().__init__(message)
        self.kind = kind  # type: ignore[misc] # fixed by class for our own refusals, by the wire for these
        self.reason = reason  # type: ignore[misc] # as above

    @property
    def error_id(self) -> str:
        """Names our log record of an internal error; empty for refusals."""
        return self.metadata.get(ERROR_ID, "")


def code_of(refusal: Refusal) -> grpc.StatusCode:
    """The gRPC code of a refusal."""
    return _CODES[refusal.kind]


def trailers_of(refusal: Refusal) -> tuple[tuple[str, bytes], ...]:
    """The trailing metadata that carries the whole refusal."""
    status = status_pb2.Status(code=code_of(refusal).value[0], message=refusal.message)
    _pack(
        status, error_details_pb2.ErrorInfo(reason=refusal.reason, domain=DOMAIN, metadata=refusal.metadata)
    )
    if refusal.violations:
        bad_request = error_details_pb2.BadRequest()
        for violation in refusal.violations:
            bad_request.field_violations.add(field=violation.field, description=violation.description)
        _pack(status, bad_request)
    if refusal.retry_after_seconds is not None:
        nanos = round(refusal.retry_after_seconds * _NANOS)
        delay = duration_pb2.Duration(seconds=nanos // _NANOS, nanos=nanos % _NANOS)
        _pack(status, error_details_pb2.RetryInfo(retry_delay=delay))
    return ((DETAILS_KEY, status.SerializeToString()),)


def refusal_of(error: grpc.aio.AioRpcError) -> RemoteRefusal:
    """What a peer refused; a fault of the connection becomes UNAVAILABLE, in our own words."""
    kind = _KINDS.get(error.code(), Kind.INTERNAL)
    details = dict(error.trailing_metadata() or ()).get(DETAILS_KEY)
    if not isinstance(details, bytes):
        return _unexplained(kind)
    return _explained(kind, status_pb2.Status.FromString(details))


def _pack(status: status_pb2.Status, detail: Message) -> None:
    packed = any_pb2.Any()
    packed.Pack(detail)
    status.details.append(packed)


def _unexplained(kind: Kind) -> RemoteRefusal:
    """A status without details was made by a library or by the network, not by a peer of ours."""
    if kind is Kind.UNAVAILABLE:
        return RemoteRefusal(kind, "PEER_UNAVAILABLE", "a service that is needed did not answer")
    if kind is Kind.DEADLINE_EXCEEDED:
        return RemoteRefusal(kind, "DEADLINE_EXCEEDED", "the deadline passed before there was an answer")
    return RemoteRefusal(kind, kind.value, "the call failed")


def _explained(kind: Kind, status: status_pb2.Status) -> RemoteRefusal:
    refusal = RemoteRefusal(kind, kind.value, status.message)
    for packed in status.details:
        info = error_details_pb2.ErrorInfo()
        bad_request = error_details_pb2.BadRequest()
        retry = error_details_pb2.RetryInfo()
        if packed.Unpack(info):
            refusal.reason = info.reason  # type: ignore[misc] # fixed by the wire
            refusal.metadata = dict(info.metadata)
        elif packed.Unpack(bad_request):
            refusal.violations = tuple(
                FieldViolation(violation.field, violation.description)
                for violation in bad_request.field_violations
            )
        elif packed.Unpack(retry):
            refusal.retry_after_seconds = retry.retry_delay.seconds + retry.retry_delay.nanos / _NANOS
    return refusal
