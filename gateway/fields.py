"""Fields of messages: by the names that JSON may use, and along paths such as `price.minorUnits`."""

from collections.abc import Mapping, Sequence
from functools import cache
from typing import Any, TypeAlias, cast

from google.protobuf.descriptor import Descriptor, FieldDescriptor
from google.protobuf.message import Message

FieldPath: TypeAlias = tuple[FieldDescriptor, ...]


class NoSuchField(Exception):
    """A path names a field that is not there, or goes on below one that has no fields."""

    def __init__(self, name: str, within: str) -> None:
        super().__init__(f"{within} has no field {name!r}")


@cache
def fields_of(descriptor: Descriptor) -> Mapping[str, FieldDescriptor]:
    """The fields of a message by every name that JSON may use: the JSON name and the proto name."""
    by_proto_name = {field.name: field for field in descriptor.fields}
    return by_proto_name | {field.json_name: field for field in descriptor.fields}


def descriptor_of(message: Message) -> Descriptor:
    """The descriptor of a message."""
    return cast("Descriptor", message.DESCRIPTOR)


def entry_of(field: FieldDescriptor) -> tuple[FieldDescriptor, FieldDescriptor] | None:
    """The fields of the key and of the value of a `map<K, V>` field; None for other fields."""
    entry = field.message_type
    if entry is None or not entry.GetOptions().map_entry:
        return None
    return entry.fields_by_name["key"], entry.fields_by_name["value"]


def resolve(descriptor: Descriptor, names: Sequence[str]) -> FieldPath:
    """The fields that `names`, proto or JSON names, lead through. Raises NoSuchField."""
    found: list[FieldDescriptor] = []
    within: Descriptor | None = descriptor
    parent = descriptor.name
    for name in names:
        field = None if within is None else fields_of(within).get(name)
        if field is None:
            raise NoSuchField(name, parent)
        found.append(field)
        parent = field.name
        within = None if field.is_repeated else field.message_type
    return tuple(found)


def json_path(fields: FieldPath) -> tuple[str, ...]:
    """The JSON names along a path."""
    return tuple(field.json_name for field in fields)


def parent_of_last(message: Message, fields: FieldPath) -> Any:  # noqa: ANN401 - any generated message
    """The message that holds the last field of a path; those on the way are made."""
    for field in fields[:-1]:
        message = getattr(message, field.name)
    return message
