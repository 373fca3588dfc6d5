"""Protobuf messages from JSON and to JSON, by the proto3 JSON mapping.

Reading finds every fault at once and never fails in a library's words. Unknown
members are faults: nothing that a client sends is dropped in silence. Writing
includes fields that hold their default, so that a client finds every member it
knows; only what was never set (messages, optional fields) is left out.
"""

import json
from typing import Any, Final

from google.protobuf import json_format
from google.protobuf.descriptor import FieldDescriptor
from google.protobuf.message import Message

from gateway import scalars, wellknown
from gateway.faults import Faults, Path
from gateway.fields import descriptor_of, entry_of, fields_of
from gateway.scalars import Unfit, kind_of

DEEPEST: Final = 32
"""Levels of a document. Protobuf refuses messages of 100, and one level of ours can be three of its."""


def decode(message: Message, document: object, faults: Faults, path: Path = ()) -> None:
    """Fill `message` with a JSON value. What does not fit is added to `faults` and left out."""
    read = wellknown.reader(message.DESCRIPTOR.full_name)
    if len(path) > DEEPEST:
        faults.add(path, "is nested too deeply")
    elif read is not None:
        try:
            read(message, document)
        except Unfit as unfit:
            faults.add(path, str(unfit))
    elif isinstance(document, dict):
        _decode_members(message, document, faults, path)
    else:
        faults.add(path, f"must be an object, not {kind_of(document)}")


def decode_field(message: Message, field: FieldDescriptor, value: object, faults: Faults, path: Path) -> None:
    """Set one field of `message` to a JSON value, as `decode` does."""
    if entry_of(field) is not None:
        _decode_map(message, field, value, faults, path)
    elif field.is_repeated:
        _decode_list(message, field, value, faults, path)
    elif field.message_type is not None:
        child = getattr(message, field.name)
        child.SetInParent()
        decode(child, value, faults, path)
    else:
        try:
            setattr(message, field.name, scalars.from_json(field, value))
        except Unfit as unfit:
            faults.add(path, str(unfit))


def encode(message: Message) -> dict[str, Any]:
    """The JSON value of a message; a well-known type may be another kind of value."""
    return json_format.MessageToDict(message, always_print_fields_with_no_presence=True)


def dumps(document: object) -> bytes:
    """A JSON value as UTF-8, without spaces and without newlines."""
    return json.dumps(document, ensure_ascii=False, separators=(",", ":"), allow_nan=False).encode()


def _decode_members(message: Message, document: dict[str, Any], faults: Faults, path: Path) -> None:
    fields = fields_of(descriptor_of(message))
    taken: dict[str, str] = {}
    for name, value in document.items():
        field = fields.get(name)
        here = (*path, name)
        if field is None:
            faults.add(here, "is not a known field")
        elif value is None and not _takes_null(field):
            continue
        elif (rival := taken.setdefault(_slot(field), name)) != name:
            faults.add(here, f"cannot be given together with {rival}")
        else:
            decode_field(message, field, value, faults, here)


def _slot(field: FieldDescriptor) -> str:
    """What only one member may fill: a oneof, or the field itself, which has two names."""
    return field.name if field.containing_oneof is None else f"oneof {field.containing_oneof.name}"


def _takes_null(field: FieldDescriptor) -> bool:
    named = field.message_type if field.message_type is not None else field.enum_type
    return named is not None and named.full_name in {wellknown.TAKES_NULL, scalars.NULL_VALUE}


def _decode_list(message: Message, field: FieldDescriptor, value: object, faults: Faults, path: Path) -> None:
    if not isinstance(value, list):
        faults.add(path, f"must be an array, not {kind_of(value)}")
        return
    elements = getattr(message, field.name)
    for index, element in enumerate(value):
        here = (*path, index)
        if field.message_type is not None:
            decode(elements.add(), element, faults, here)
            continue
        try:
            elements.append(scalars.from_json(field, element))
        except Unfit as unfit:
            faults.add(here, str(unfit))


def _decode_map(message: Message, field: FieldDescriptor, value: object, faults: Faults, path: Path) -> None:
    if not isinstance(value, dict):
        faults.add(path, f"must be an object, not {kind_of(value)}")
        return
    for name, element in value.items():
        here = (*path, name)
        try:
            _set_entry(message, field, name, element, faults, here)
        except Unfit as unfit:
            faults.add(here, str(unfit))


def _set_entry(
    message: Message, field: FieldDescriptor, name: str, value: object, faults: Faults, path: Path
) -> None:
    """Set one entry of a map. Raises Unfit for a key or a single value that does not fit."""
    entry = entry_of(field)
    if entry is not None:
        key = scalars.from_text(entry[0], name)
        entries = getattr(message, field.name)
        if entry[1].message_type is not None:
            decode(entries[key], value, faults, path)
        else:
            entries[key] = scalars.from_json(entry[1], value)
