"""From the path, query and body of a request to the message of a call.

All faults of all three are found at once, each with its place and JSON pointer.
A field has one source: what the path names can be given neither by the query nor
by the body, and where the body is the whole message there is no query at all.
"""

import re
from collections.abc import Iterator
from typing import Final
from urllib.parse import unquote_to_bytes

from google.protobuf.descriptor import FieldDescriptor
from google.protobuf.message import Message

from gateway import codec, fields, scalars, wellknown
from gateway.documents import NotJson, parse
from gateway.faults import Faults, Place
from gateway.fields import FieldPath, NoSuchField
from gateway.problems import BadRequest, MalformedBody
from gateway.routes import Route
from gateway.scalars import Unfit

_ENTRY = re.compile(r"(?P<map>[^\[\]]+)\[(?P<key>.*)\]", re.DOTALL)
"""An entry of a map in a query, such as `labels[shop]=7`."""
_BROKEN_ESCAPE: Final = re.compile(r"%(?![0-9A-Fa-f]{2})")


def bind(route: Route, segments: list[str], query: str, body: bytes, content_type: str) -> Message:
    """The request message. Raises BadPath, MalformedBody, and BadRequest with every fault."""
    faults = Faults()
    message = route.rpc.request()
    if route.takes_any_content:
        _bind_content(route, message, body, content_type)
    elif body:
        _bind_body(route, message, body, faults)
    _bind_path(route, message, segments, faults)
    if query:
        _Query(route, message, faults).bind(query)
    if faults:
        raise BadRequest(_summary(faults), faults=faults)
    return message


def _summary(faults: Faults) -> str:
    count = len(faults)
    return "One field is not as it must be." if count == 1 else f"{count} fields are not as they must be."


def _bind_content(route: Route, message: Message, body: bytes, content_type: str) -> None:
    """Pass a body on as it is."""
    if route.body is not None:
        content = getattr(message, route.body.name)
        content.content_type = content_type
        content.data = body


def _bind_body(route: Route, message: Message, body: bytes, faults: Faults) -> None:
    try:
        document = parse(body, faults)
    except NotJson as error:
        raise MalformedBody(str(error)) from error
    within = () if route.body is None else (route.body,)
    for _, path in route.path_fields:
        if path[: len(within)] == within:
            _refuse_named_by_path(document, path[len(within) :], faults)
    if route.body is None:
        codec.decode(message, document, faults)
    else:
        codec.decode_field(message, route.body, document, faults, ())


def _refuse_named_by_path(document: object, path: FieldPath, faults: Faults) -> None:
    """Add a fault if the body gives a field that the path names, and take it out of the body."""
    for field in path[:-1]:
        document = (
            document.get(field.json_name, document.get(field.name)) if isinstance(document, dict) else None
        )
    if isinstance(document, dict):
        for name in {path[-1].json_name, path[-1].name} & document.keys():
            del document[name]
            faults.add((*fields.json_path(path[:-1]), name), "is named by the path already")


def _bind_path(route: Route, message: Message, segments: list[str], faults: Faults) -> None:
    for variable, path in route.path_fields:
        text = variable.capture(segments)
        try:
            value = scalars.from_text(path[-1], text)
        except Unfit as unfit:
            faults.add(fields.json_path(path), str(unfit), Place.PATH)
        else:
            setattr(fields.parent_of_last(message, path), path[-1].name, value)


class _Query:
    """Binds the parameters of one query to one message."""

    def __init__(self, route: Route, message: Message, faults: Faults) -> None:
        self._route = route
        self._message = message
        self._faults = faults
        self._descriptor = fields.descriptor_of(message)
        self._given: set[str] = set()
        self._taken = [path for _, path in route.path_fields]
        if route.body is not None:
            self._taken.append((route.body,))

    def bind(self, query: str) -> None:
        for name, text in _parameters(query, self._faults):
            if self._route.takes_whole_body:
                self._add(name, "is not a known parameter: this call takes its fields from the body")
            else:
                self._bind(name, text)

    def _bind(self, name: str, text: str) -> None:
        entry = _ENTRY.fullmatch(name)
        try:
            path = fields.resolve(self._descriptor, (entry["map"] if entry else name).split("."))
        except NoSuchField:
            self._add(name, "is not a known parameter")
            return
        if any(path[: len(taken)] == taken for taken in self._taken):
            self._add(name, "is given by the path or the body, and not by the query")
        elif any(_is_well_known(field) for field in path[:-1]):
            self._add(name, "is not a known parameter: what it is part of is given as one value")
        elif entry:
            self._bind_entry(name, path, entry["key"], text)
        elif fields.entry_of(path[-1]):
            self._add(name, f"is a map: give it as {name}[key]=value")
        else:
            self._bind_value(name, path, text)

    def _bind_entry(self, name: str, path: FieldPath, key: str, text: str) -> None:
        types = fields.entry_of(path[-1])
        if types is None:
            self._add(name, "is not a map")
            return
        try:
            entry = scalars.from_text(types[0], key), _value(types[1], text)
        except Unfit as unfit:
            self._add(name, str(unfit))
            return
        if self._is_first(name):
            getattr(fields.parent_of_last(self._message, path), path[-1].name)[entry[0]] = entry[1]
        else:
            self._add(name, "is given more than once")

    def _bind_value(self, name: str, path: FieldPath, text: str) -> None:
        field = path[-1]
        if not field.is_repeated and not self._is_first(_slot(path)):
            self._add(name, "is given more than once, or together with what excludes it")
            return
        parent = fields.parent_of_last(self._message, path)
        try:
            if field.message_type is not None:
                target = getattr(parent, field.name)
                _fill(target.add() if field.is_repeated else target, text)
            elif field.is_repeated:
                getattr(parent, field.name).append(scalars.from_text(field, text))
            else:
                setattr(parent, field.name, scalars.from_text(field, text))
        except Unfit as unfit:
            self._add(name, str(unfit))

    def _is_first(self, name: str) -> bool:
        known = name in self._given
        self._given.add(name)
        return not known

    def _add(self, name: str, detail: str) -> None:
        self._faults.add(tuple(name.split(".")), detail, Place.QUERY)


def _is_well_known(field: FieldDescriptor) -> bool:
    return field.message_type is not None and wellknown.reader(field.message_type.full_name) is not None


def _slot(path: FieldPath) -> str:
    """What only one parameter may fill: a field, or the oneof that it is a member of."""
    oneof = path[-1].containing_oneof
    return ".".join((*fields.json_path(path[:-1]), f"oneof {oneof.name}" if oneof else path[-1].json_name))


def _value(field: FieldDescriptor, text: str) -> object:
    if field.message_type is not None:
        raise Unfit("holds messages: it cannot be given in a query")
    return scalars.from_text(field, text)


def _fill(message: Message, text: str) -> None:
    """Fill a message that has the form of one value in JSON."""
    full_name = fields.descriptor_of(message).full_name
    read = wellknown.reader(full_name)
    if read is not None and full_name in wellknown.WRAPPERS:
        setattr(message, "value", scalars.from_text(wellknown.wrapped(message), text))  # noqa: B010 - as wellknown's
    elif read is not None and full_name in wellknown.TEXTUAL:
        read(message, text)
    else:
        raise Unfit("is a message: give its fields one by one")


def _parameters(query: str, faults: Faults) -> Iterator[tuple[str, str]]:
    """The parameters in their order; `+` stays what it is."""
    for part in filter(None, query.split("&")):
        name, _, text = part.partition("=")
        try:
            yield _decoded(name), _decoded(text)
        except ValueError:
            faults.add((), "holds a parameter that is not percent-encoded UTF-8", Place.QUERY)


def _decoded(text: str) -> str:
    if _BROKEN_ESCAPE.search(text):
        raise ValueError(text)
    return unquote_to_bytes(text).decode()
