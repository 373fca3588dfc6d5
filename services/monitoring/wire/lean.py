"""Messages of other people's protocols, read as far as is needed and no further.

The labels of a point are nine tenths of what there is to decode, and nearly always
those of a series that is known. Here they stay bytes (on the wire a message and bytes
are the same), so that a point is found by one look-up. See decision 6.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, TypeAlias

from google.protobuf import descriptor_pb2, descriptor_pool, message_factory

Fields: TypeAlias = Mapping[str, tuple[int, str]]
"""Name to number and type; a `*` after the type for repeated, a capital for a message of the same file."""

_TYPES = {
    name: getattr(descriptor_pb2.FieldDescriptorProto, f"TYPE_{name.upper()}")
    for name in ("bytes", "string", "double", "fixed64", "sfixed64", "int64", "int32", "uint32", "bool")
}


def messages(package: str, described: Mapping[str, Fields]) -> Any:  # noqa: ANN401 - classes made at run time
    """Classes for some messages; as attributes, by their names. What they do not name is passed over."""
    file = descriptor_pb2.FileDescriptorProto(name=f"{package}.proto", package=package, syntax="proto2")
    for name, fields in described.items():
        message = file.message_type.add(name=name)
        for field, (number, kind) in fields.items():
            _add_field(message, package, (field, number, kind))
    pool = descriptor_pool.DescriptorPool()
    pool.Add(file)
    made = {
        name: message_factory.GetMessageClass(pool.FindMessageTypeByName(f"{package}.{name}"))
        for name in described
    }
    return type(package, (), made)


def _add_field(message: Any, package: str, said: tuple[str, int, str]) -> None:  # noqa: ANN401 - as above
    name, number, kind = said
    plain = kind.rstrip("*")
    field = message.field.add(name=name, number=number)
    field.label = field.LABEL_REPEATED if kind.endswith("*") else field.LABEL_OPTIONAL
    if plain in _TYPES:
        field.type = _TYPES[plain]
    else:
        field.type = field.TYPE_MESSAGE
        field.type_name = f".{package}.{plain}"
