"""The messages of google.protobuf that have a JSON form of their own."""

from collections.abc import Callable
from typing import Any, Final

from google.protobuf import json_format
from google.protobuf.descriptor import FieldDescriptor
from google.protobuf.message import Message

from gateway import scalars
from gateway.fields import descriptor_of
from gateway.scalars import Unfit, kind_of

_WRAPPED: Final = ("Double", "Float", "Int64", "UInt64", "Int32", "UInt32", "Bool", "String", "Bytes")
_TEXTS: Final = {
    "google.protobuf.Timestamp": "an RFC 3339 time, such as 2026-01-31T12:00:00Z",
    "google.protobuf.Duration": "a number of seconds followed by s, such as 1.5s",
    "google.protobuf.FieldMask": "field names joined by commas, such as name,price.minorUnits",
}
WRAPPERS: Final = frozenset(f"google.protobuf.{name}Value" for name in _WRAPPED)
"""Messages that JSON writes as the one value they hold."""
TEXTUAL: Final = frozenset(_TEXTS)
"""Messages that JSON writes as a string: a path or a query can give them too."""
TAKES_NULL: Final = "google.protobuf.Value"
"""The one message for which null is a value."""


def reader(full_name: str) -> Callable[[Any, object], None] | None:
    """What fills a message of this type from its JSON value, or None for ordinary messages."""
    return _READERS.get(full_name)


def wrapped(message: Message) -> FieldDescriptor:
    """The one field of a wrapper."""
    return descriptor_of(message).fields_by_name["value"]


def _read_text(message: Any, value: object) -> None:  # noqa: ANN401 - three types that share a method
    expected = f"must be {_TEXTS[message.DESCRIPTOR.full_name]}"
    if not isinstance(value, str):
        raise Unfit(f"{expected}, not {kind_of(value)}")
    try:
        message.FromJsonString(value)
    except (ValueError, OverflowError) as error:
        raise Unfit(expected) from error


def _read_wrapper(message: Message, value: object) -> None:
    setattr(message, "value", scalars.from_json(wrapped(message), value))  # noqa: B010 - each wrapper is a type of its own


def _read_free_form(message: Message, value: object) -> None:
    try:
        # An object or array is walked by the library, which knows the limits of nesting.
        json_format.ParseDict(value, message)  # type: ignore[arg-type] # any JSON value is a Value
    except (json_format.ParseError, ValueError, TypeError, AttributeError) as error:
        raise Unfit(f"cannot be a {message.DESCRIPTOR.name}") from error


_READERS: Final[dict[str, Callable[[Any, object], None]]] = {
    **dict.fromkeys(TEXTUAL, _read_text),
    **dict.fromkeys(WRAPPERS, _read_wrapper),
    "google.protobuf.Any": _read_free_form,
    "google.protobuf.ListValue": _read_free_form,
    "google.protobuf.Struct": _read_free_form,
    "google.protobuf.Value": _read_free_form,
}
