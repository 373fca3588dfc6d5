"""From what a service answered to what a client is answered.

Holds the one table from gRPC codes to HTTP statuses. It is that of
google/rpc/code.proto; what differs, differs by reason and stands beside it.
"""

import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final
from urllib.parse import quote

from google.protobuf.message import Message

from gateway import codec, fields
from gateway.faults import Fault, Path, Place, pointer
from gateway.identity import CHALLENGE
from gateway.incoming import JSON_TYPE
from gateway.problems import Headers, Relayed
from gateway.routes import Route
from gateway.templates import Template
from servicekit.errors import FieldViolation, Refusal
from servicekit.status import ERROR_ID

HTTP_STATUSES: Final[Mapping[str, int]] = {
    "CANCELLED": 499,
    "UNKNOWN": 500,
    "INVALID_ARGUMENT": 400,
    "DEADLINE_EXCEEDED": 504,
    "NOT_FOUND": 404,
    "ALREADY_EXISTS": 409,
    "PERMISSION_DENIED": 403,
    "RESOURCE_EXHAUSTED": 429,
    "FAILED_PRECONDITION": 400,
    "ABORTED": 409,
    "OUT_OF_RANGE": 400,
    "UNIMPLEMENTED": 501,
    "INTERNAL": 500,
    "UNAVAILABLE": 503,
    "DATA_LOSS": 500,
    "UNAUTHENTICATED": 401,
}
STATUSES_BY_REASON: Final[Mapping[str, int]] = {"IDEMPOTENCY_KEY_REUSED": 422}
"""As the Idempotency-Key draft asks."""

_STEP = re.compile(r"\.?([A-Za-z_][A-Za-z0-9_]*)|\[([0-9]+)\]|\[\"?([^\"\]]*)\"?\]")
"""A part of a proto field path: a field, an index, or the key of a map."""


@dataclass(frozen=True, slots=True)
class Answer:
    """What a client gets, whole."""

    status: int
    headers: Headers = ()
    body: bytes = b""


def json_answer(
    status: int, document: object, headers: Headers = (), content_type: str = JSON_TYPE
) -> Answer:
    """An answer of one JSON value."""
    return Answer(status, (*headers, (b"content-type", content_type.encode())), codec.dumps(document))


def answer_of(route: Route, response: Message) -> Answer:
    """The answer for a response: 200, 201 with its Location, or 204 where the message has no fields."""
    headers = route.rpc.lifecycle.headers()
    field = route.response_field
    resource: Any = response if field is None else getattr(response, field.name)
    if route.gives_any_content:
        return Answer(200, (*headers, (b"content-type", resource.content_type.encode())), resource.data)
    if not response.DESCRIPTOR.fields:
        return Answer(204, headers)
    if route.rpc.location is None:
        return json_answer(200, document_of(route, response), headers)
    location = expanded(route.rpc.location, resource).encode()
    return json_answer(201, document_of(route, response), (*headers, (b"location", location)))


def document_of(route: Route, response: Message) -> object:
    """The JSON value that answers: the response, or the one field of it that is the answer."""
    document = codec.encode(response)
    field = route.response_field
    if field is None:
        return document
    return document.get(field.json_name, None if field.message_type is None else {})


def expanded(template: Template, resource: Message) -> str:
    """A path template with the fields of a resource in place."""
    segments = [str(segment) for segment in template.segments]
    for variable in template.variables:
        path = fields.resolve(fields.descriptor_of(resource), variable.field_path)
        value = getattr(fields.parent_of_last(resource, path), path[-1].name)
        segments[variable.start : variable.stop] = [quote(str(value), safe="" if variable.is_single else "/")]
    verb = f":{quote(template.verb, safe='')}" if template.verb else ""
    return f"/{'/'.join(segments)}{verb}"


def problem_of(refusal: Refusal, route: Route | None) -> Relayed:
    """The problem that tells a client what a service, or servicekit here, refused."""
    code = refusal.kind.value
    metadata = {name: value for name, value in refusal.metadata.items() if name != ERROR_ID}
    return Relayed(
        STATUSES_BY_REASON.get(refusal.reason, HTTP_STATUSES[code]),
        code,
        refusal.reason,
        refusal.message,
        faults=_faults(refusal.violations, route),
        headers=_headers(refusal),
        metadata=metadata,
        error_id=refusal.metadata.get(ERROR_ID, ""),
    )


def _headers(refusal: Refusal) -> Headers:
    headers = CHALLENGE if refusal.kind.value == "UNAUTHENTICATED" else ()
    if refusal.retry_after_seconds is None:
        return headers
    # RFC 9110 section 10.2.3 counts whole seconds; earlier than that would be refused again.
    return (*headers, (b"retry-after", str(math.ceil(refusal.retry_after_seconds)).encode()))


def _faults(violations: Sequence[FieldViolation], route: Route | None) -> list[Fault]:
    return [_fault(violation, route) for violation in violations]


def _fault(violation: FieldViolation, route: Route | None) -> Fault:
    """A violation where the client can see it: in the body, the query or the path, by JSON names."""
    path = _json_path(violation.field, route)
    place, path = (Place.BODY, path) if route is None else _placed(path, route)
    return Fault(place, pointer(path), violation.description)


def _placed(path: Path, route: Route) -> tuple[Place, Path]:
    """The part of a request that gave a field, and the field's path within it."""
    if any(path == fields.json_path(bound) for _, bound in route.path_fields):
        return Place.PATH, path
    if route.takes_whole_body:
        return Place.BODY, path
    if route.body is not None and path[:1] == (route.body.json_name,):
        return Place.BODY, path[1:]
    return Place.QUERY, path


def _json_path(proto_path: str, route: Route | None) -> Path:
    """The path of a violation by JSON names, as far as they are known."""
    descriptor = None if route is None else route.rpc.request.DESCRIPTOR
    steps: list[str | int] = []
    for name, index, key in _STEP.findall(proto_path):
        if not name:
            steps.append(int(index) if index else key)
            continue
        field = None if descriptor is None else fields.fields_of(descriptor).get(name)
        steps.append(name if field is None else field.json_name)
        descriptor = None if field is None else field.message_type
    return tuple(steps)
