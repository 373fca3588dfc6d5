"""Every way in which a request can fail at the gateway, and how a client is told.

Errors are RFC 9457 problem documents. A client that prefers `application/json`
gets the same as a `google.rpc.Status` (google/rpc/status.proto, in JSON). `reason`
is stable and what programs match on; `type` and `title` follow from it. No word of
a library and no value of a request is repeated.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Final

from gateway import codec
from gateway.faults import Fault

Headers = tuple[tuple[bytes, bytes], ...]

PROBLEM_TYPE: Final = "application/problem+json"
STATUS_TYPE: Final = "application/json"
DOMAIN: Final = "tillmesh"
CODES: Final[Mapping[str, int]] = {
    "CANCELLED": 1,
    "UNKNOWN": 2,
    "INVALID_ARGUMENT": 3,
    "DEADLINE_EXCEEDED": 4,
    "NOT_FOUND": 5,
    "ALREADY_EXISTS": 6,
    "PERMISSION_DENIED": 7,
    "RESOURCE_EXHAUSTED": 8,
    "FAILED_PRECONDITION": 9,
    "ABORTED": 10,
    "OUT_OF_RANGE": 11,
    "UNIMPLEMENTED": 12,
    "INTERNAL": 13,
    "UNAVAILABLE": 14,
    "DATA_LOSS": 15,
    "UNAUTHENTICATED": 16,
}
"""Numbers of the gRPC codes (google/rpc/code.proto)."""


class Problem(Exception):
    """A request that gets no answer of the kind it asked for."""

    status: int
    code: str
    reason: str

    def __init__(
        self,
        detail: str,
        *,
        faults: Iterable[Fault] = (),
        headers: Headers = (),
        metadata: Mapping[str, str] | None = None,
        error_id: str = "",
    ) -> None:
        """Make a problem.

        Args:
            detail: One sentence for the caller about this occurrence.
            faults: The fields that are at fault.
            headers: What the status asks for, such as Allow or Retry-After.
            metadata: Facts that programs may use.
            error_id: Names our own record of it.
        """
        super().__init__(detail)
        self.detail = detail
        self.faults = tuple(faults)
        self.headers = headers
        self.metadata = dict(metadata or {})
        self.error_id = error_id


class BadRequest(Problem):
    """The request is no valid call: its path, its query or its body."""

    status, code, reason = 400, "INVALID_ARGUMENT", "INVALID_ARGUMENT"


class MalformedBody(Problem):
    """The body is not JSON."""

    status, code, reason = 400, "INVALID_ARGUMENT", "MALFORMED_JSON"


class MalformedPath(Problem):
    """The path cannot be decoded."""

    status, code, reason = 400, "INVALID_ARGUMENT", "MALFORMED_PATH"


class MalformedRequest(Problem):
    """The bytes are not HTTP."""

    status, code, reason = 400, "INVALID_ARGUMENT", "MALFORMED_REQUEST"


class BodyNotExpected(Problem):
    """The call has no body, and the request has."""

    status, code, reason = 400, "INVALID_ARGUMENT", "BODY_NOT_EXPECTED"


class IdempotencyKeyMissing(Problem):
    """The call creates or moves something, and its attempt has no name."""

    status, code, reason = 400, "INVALID_ARGUMENT", "IDEMPOTENCY_KEY_MISSING"


class IdempotencyKeyMalformed(Problem):
    """The Idempotency-Key is no key."""

    status, code, reason = 400, "INVALID_ARGUMENT", "IDEMPOTENCY_KEY_MALFORMED"


class NotSignedIn(Problem):
    """There is no token, or none that proves anything."""

    status, code, reason = 401, "UNAUTHENTICATED", "UNAUTHENTICATED"


class NoSuchPath(Problem):
    """Nothing is at this path."""

    status, code, reason = 404, "NOT_FOUND", "PATH_NOT_FOUND"


class MethodNotAllowed(Problem):
    """Something is at this path, but not for this method."""

    status, code, reason = 405, "UNIMPLEMENTED", "METHOD_NOT_ALLOWED"


class NotAcceptable(Problem):
    """The client accepts nothing that this call answers with."""

    status, code, reason = 406, "INVALID_ARGUMENT", "NOT_ACCEPTABLE"


class TooSlow(Problem):
    """The request did not arrive in time."""

    status, code, reason = 408, "DEADLINE_EXCEEDED", "REQUEST_TIMEOUT"


class Sunset(Problem):
    """The call was announced to end, and has ended (RFC 8594)."""

    status, code, reason = 410, "UNIMPLEMENTED", "SUNSET"


class BodyTooLarge(Problem):
    """The body is longer than this gateway reads."""

    status, code, reason = 413, "INVALID_ARGUMENT", "BODY_TOO_LARGE"


class UrlTooLong(Problem):
    """The path and query are longer than this gateway reads."""

    status, code, reason = 414, "INVALID_ARGUMENT", "URL_TOO_LONG"


class UnsupportedContent(Problem):
    """The body is in a form that the call does not read."""

    status, code, reason = 415, "INVALID_ARGUMENT", "UNSUPPORTED_MEDIA_TYPE"


class HeadersTooLarge(Problem):
    """The headers are longer than this gateway reads."""

    status, code, reason = 431, "INVALID_ARGUMENT", "HEADERS_TOO_LARGE"


class OurFault(Problem):
    """Something went wrong that the client can do nothing about."""

    status, code, reason = 500, "INTERNAL", "INTERNAL"


class Relayed(Problem):
    """A service refused, and the gateway passes it on."""

    def __init__(self, status: int, code: str, reason: str, detail: str, **more: Any) -> None:  # noqa: ANN401 - as Problem's
        super().__init__(detail, **more)
        self.status = status
        self.code = code
        self.reason = reason


@dataclass(frozen=True, slots=True)
class Occurrence:
    """What identifies one failure to the people who look for it."""

    path: str
    request_id: str
    trace_id: str


def rendered(problem: Problem, occurrence: Occurrence, *, as_status: bool) -> tuple[bytes, bytes]:
    """The content type and the body that tell a client of a problem."""
    if as_status:
        return STATUS_TYPE.encode(), codec.dumps(status_document(problem, occurrence))
    return PROBLEM_TYPE.encode(), codec.dumps(problem_document(problem, occurrence))


def problem_document(problem: Problem, occurrence: Occurrence) -> dict[str, Any]:
    """The problem as RFC 9457 says it, with our members beside."""
    words = problem.reason.replace("_", " ").lower()
    document: dict[str, Any] = {
        "type": f"urn:problem-type:{DOMAIN}:{words.replace(' ', '-')}",
        "title": words.capitalize(),
        "status": problem.status,
        "detail": problem.detail,
        "instance": occurrence.path,
        "code": problem.code,
        "reason": problem.reason,
        "errors": [
            {"pointer": fault.pointer, "in": fault.place.value, "detail": fault.detail}
            for fault in problem.faults
        ],
        "metadata": problem.metadata,
        "errorId": problem.error_id,
        "requestId": occurrence.request_id,
        "traceId": occurrence.trace_id,
    }
    return {name: value for name, value in document.items() if value}


def status_document(problem: Problem, occurrence: Occurrence) -> dict[str, Any]:
    """The problem as the JSON of a google.rpc.Status, with the details of google/rpc/error_details.proto."""
    metadata = problem.metadata | ({"error_id": problem.error_id} if problem.error_id else {})
    details: list[dict[str, Any]] = [
        _detail("ErrorInfo", reason=problem.reason, domain=DOMAIN, metadata=metadata),
        _detail("RequestInfo", requestId=occurrence.request_id, servingData=occurrence.trace_id),
    ]
    if problem.faults:
        violations = [{"field": fault.pointer, "description": fault.detail} for fault in problem.faults]
        details.append(_detail("BadRequest", fieldViolations=violations))
    return {"code": CODES[problem.code], "message": problem.detail, "details": details}


def _detail(kind: str, **fields: object) -> dict[str, Any]:
    return {"@type": f"type.googleapis.com/google.rpc.{kind}", **fields}
