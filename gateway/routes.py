"""The table of routes, made from descriptors when the process starts.

Each `google.api.http` binding of each RPC is one route. Whatever could not work
at run time is refused here, with the file, the RPC and, for a template, the
column: fields that are not there, templates that shadow each other, RPCs that are
for the mesh alone.
"""

import importlib
import pkgutil
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from types import ModuleType
from typing import Any

import tillmesh
from google.api import annotations_pb2, http_pb2
from google.protobuf.descriptor import Descriptor, FieldDescriptor, FileDescriptor, MethodDescriptor
from google.protobuf.message import Message
from google.protobuf.message_factory import GetMessageClass
from tillmesh.options.v1 import options_pb2

from gateway import fields, templates
from gateway.fields import FieldPath, NoSuchField
from gateway.lifecycle import BadLifecycle, Lifecycle
from gateway.matching import Paths, Shadowed
from gateway.templates import BadTemplate, Template, Variable
from servicekit.methods import MethodRule, rule_from

WHOLE_BODY = "*"
HTTP_BODY = "google.api.HttpBody"
"""A message that holds a body as it is, with its content type."""

_MADE_HERE = frozenset({"HEAD", "OPTIONS"})
"""Methods that the gateway answers from the others."""


class BadRoute(Exception):
    """A binding that could not work. The message names the file and the RPC."""


@dataclass(frozen=True, slots=True)
class Rpc:
    """What the gateway needs to know of one RPC.

    Attributes:
        rule: What servicekit reads from the options: policy, key, deadline.
        peer: The service that answers, such as "orders".
        reads_key: True when an idempotency key is passed on.
        deadline_seconds: How long to wait for the answer; None for streams without one.
        location: The template of the resource that a call creates.
        headers: Fields of the request that HTTP headers fill: `(name in lower case, field)`.
    """

    rule: MethodRule
    peer: str
    request: type[Message]
    response: type[Message]
    is_streaming: bool
    reads_key: bool
    deadline_seconds: float | None
    lifecycle: Lifecycle
    location: Template | None
    headers: tuple[tuple[bytes, str], ...]


@dataclass(frozen=True, slots=True)
class Route:
    """One way to call an RPC over HTTP.

    Attributes:
        body: The field that the body fills; None where `takes_whole_body` or no body is read.
        response_field: The field of the response that is the answer; None for all of it.
    """

    method: str
    template: Template
    rpc: Rpc
    path_fields: tuple[tuple[Variable, FieldPath], ...]
    takes_whole_body: bool
    body: FieldDescriptor | None
    response_field: FieldDescriptor | None

    @property
    def reads_body(self) -> bool:
        """True if the body of a request is part of the call."""
        return self.takes_whole_body or self.body is not None

    @property
    def takes_any_content(self) -> bool:
        """True if the body is passed on as it is, whatever it may be."""
        return self.body is not None and is_message(self.body, HTTP_BODY)

    @property
    def gives_any_content(self) -> bool:
        """True if the answer is passed on as it is, with a content type of its own."""
        if self.response_field is not None:
            return is_message(self.response_field, HTTP_BODY)
        return self.rpc.response.DESCRIPTOR.full_name == HTTP_BODY


def is_message(field: FieldDescriptor, full_name: str) -> bool:
    """True for a single message field of this type."""
    named = field.message_type
    return named is not None and not field.is_repeated and named.full_name == full_name


def our_files() -> list[FileDescriptor]:
    """Every proto of Tillmesh: a new one needs no line here."""
    return [module.DESCRIPTOR for module in _modules(tillmesh)]


def peer_of(file: FileDescriptor) -> str:
    """The service that answers the RPCs of a file: `orders` for `tillmesh.orders.v1`."""
    return str(file.package.split(".")[1])


def _modules(package: ModuleType) -> Iterator[ModuleType]:
    for found in pkgutil.walk_packages(package.__path__, f"{package.__name__}."):
        if found.name.endswith("_pb2"):
            yield importlib.import_module(found.name)


def add_routes(table: Paths[Any], files: Iterable[FileDescriptor]) -> None:
    """Add every route of the RPCs in `files`. Raises BadRoute."""
    for file in files:
        for service in file.services_by_name.values():
            for method in service.methods:
                _add_routes(table, file, method)


def _add_routes(table: Paths[Any], file: FileDescriptor, method: MethodDescriptor) -> None:
    options = method.GetOptions()
    if not options.HasExtension(annotations_pb2.http):
        return
    try:
        rpc = _rpc_of(method)
        for binding in _bindings(options.Extensions[annotations_pb2.http]):
            route = _route_of(rpc, method, binding)
            table.add(route.method, route.template, route)
    except (BadRoute, BadTemplate, BadLifecycle, NoSuchField, Shadowed) as error:
        raise BadRoute(f"{file.name}: {method.full_name}: {error}") from error


def _bindings(rule: http_pb2.HttpRule) -> list[http_pb2.HttpRule]:
    """All bindings of an RPC, the main one first."""
    if any(binding.additional_bindings for binding in rule.additional_bindings):
        raise BadRoute("additional_bindings may not hold further ones")
    return [rule, *rule.additional_bindings]


def _rpc_of(method: MethodDescriptor) -> Rpc:
    rule = rule_from(method)
    options = method.GetOptions()
    if rule.internal:
        raise BadRoute("is internal: it may have no google.api.http")
    if method.client_streaming:
        raise BadRoute("streams its requests: HTTP has no mapping for that")
    key = options.Extensions[options_pb2.idempotency_key]
    has_deadline = bool(options.Extensions[options_pb2.default_deadline_ms]) or not method.server_streaming
    location = options.Extensions[options_pb2.created_location]
    return Rpc(
        rule=rule,
        peer=peer_of(method.containing_service.file),
        request=GetMessageClass(method.input_type),
        response=GetMessageClass(method.output_type),
        is_streaming=method.server_streaming,
        reads_key=key != options_pb2.IDEMPOTENCY_KEY_UNSPECIFIED,
        deadline_seconds=rule.deadline_seconds if has_deadline else None,
        lifecycle=Lifecycle.of(options.Extensions[options_pb2.lifecycle]),
        location=templates.parse(location) if location else None,
        headers=_headers_of(method.input_type),
    )


def _headers_of(request: Descriptor) -> tuple[tuple[bytes, str], ...]:
    """Which headers fill which fields: single strings at the top of the message."""
    named = {field: field.GetOptions().Extensions[options_pb2.header] for field in request.fields}
    if wrong := [each.name for each, name in named.items() if name and each.type != each.TYPE_STRING]:
        raise BadRoute(f"{', '.join(wrong)}: a header fills a string and nothing else")
    return tuple((name.lower().encode(), each.name) for each, name in named.items() if name)


def _route_of(rpc: Rpc, method: MethodDescriptor, binding: http_pb2.HttpRule) -> Route:
    verb, text = _pattern(binding)
    template = templates.parse(text)
    route = Route(
        method=verb,
        template=template,
        rpc=rpc,
        path_fields=tuple(_path_field(method.input_type, variable) for variable in template.variables),
        takes_whole_body=binding.body == WHOLE_BODY,
        body=_top_level(method.input_type, binding.body.removeprefix(WHOLE_BODY)),
        response_field=_top_level(method.output_type, binding.response_body),
    )
    if route.reads_body and verb == "GET":
        raise BadRoute("GET has no body")
    if rpc.location is not None:
        _check_location(rpc.location, route, method.output_type)
    return route


def _pattern(binding: http_pb2.HttpRule) -> tuple[str, str]:
    """The HTTP method and the template's text."""
    kind = binding.WhichOneof("pattern")
    if kind is None:
        raise BadRoute("a binding has no pattern")
    if kind != "custom":
        return kind.upper(), str(getattr(binding, kind))
    if binding.custom.kind in _MADE_HERE:
        raise BadRoute(f"{binding.custom.kind} is answered by the gateway itself")
    return binding.custom.kind, binding.custom.path


def _path_field(request: Descriptor, variable: Variable) -> tuple[Variable, FieldPath]:
    path = fields.resolve(request, variable.field_path)
    if path[-1].is_repeated or path[-1].message_type is not None:
        raise BadRoute(
            f"column {variable.column}: {'.'.join(variable.field_path)!r} is repeated or a message, "
            "and a path holds single values"
        )
    return variable, path


def _top_level(message: Descriptor, name: str) -> FieldDescriptor | None:
    if not name:
        return None
    return fields.resolve(message, (name,))[0]


def _check_location(location: Template, route: Route, response: Descriptor) -> None:
    """See that the answer of `route` has the fields that its Location needs."""
    answer = response if route.response_field is None else route.response_field.message_type
    for variable in location.variables:
        if answer is None:
            raise BadRoute("created_location needs an answer that is a message")
        fields.resolve(answer, variable.field_path)
