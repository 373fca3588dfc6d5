"""Single values of protobuf fields, from JSON and from the text of a path or query.

Strict where the proto3 JSON mapping leaves room: no number in words, no unknown
enum number, no base64 with foreign characters, no U+0000 (PostgreSQL cannot keep
it). Messages say what is expected and repeat no value: it may be a secret.
"""

import base64
import math
import re
from collections.abc import Callable
from typing import Any, Final

from google.protobuf.descriptor import EnumDescriptor, FieldDescriptor

_NUMBER: Final = re.compile(r"-?(?:0|[1-9][0-9]*)(?:\.[0-9]+)?(?:[eE][+-]?[0-9]+)?")
_INTEGER: Final = re.compile(r"-?(?:0|[1-9][0-9]{0,39})")
_BASE64: Final = re.compile(r"([A-Za-z0-9+/]*|[A-Za-z0-9_-]*)={0,2}")
"""One of the two alphabets of RFC 4648, never a mixture."""
_SURROGATE: Final = re.compile("[\ud800-\udfff]")
_FLOAT_MAX: Final = (2 - 2**-23) * 2.0**127
_NOT_FINITE: Final = {"NaN": math.nan, "Infinity": math.inf, "-Infinity": -math.inf}
_MOST_NAMES: Final = 12
NULL_VALUE: Final = "google.protobuf.NullValue"


class Unfit(Exception):
    """A value does not fit its field. The message ends a sentence that begins with the field."""


def from_json(field: FieldDescriptor, value: object) -> Any:  # noqa: ANN401 - as the field's type
    """What to set `field` to for a JSON value. Raises Unfit."""
    if field.type == FieldDescriptor.TYPE_BYTES:
        return _bytes(value)
    if field.enum_type is not None:
        return _enum(field.enum_type, value)
    return _READERS[field.cpp_type](value)


def from_text(field: FieldDescriptor, text: str) -> Any:  # noqa: ANN401 - as the field's type
    """What to set `field` to for the text of a path segment or query parameter. Raises Unfit."""
    value: object = text
    if field.cpp_type == FieldDescriptor.CPPTYPE_BOOL:
        value = {"true": True, "false": False}.get(text, text)
    elif field.enum_type is not None and _INTEGER.fullmatch(text):
        value = int(text)
    return from_json(field, value)


def kind_of(value: object) -> str:
    """What JSON calls a value."""
    if isinstance(value, bool):
        return "a boolean"
    kinds: dict[type, str] = {str: "a string", int: "a number", float: "a number", list: "an array"}
    return kinds.get(type(value), "null" if value is None else "an object")


def _string(value: object) -> str:
    if not isinstance(value, str):
        raise Unfit(f"must be a string, not {kind_of(value)}")
    if _SURROGATE.search(value):
        raise Unfit("must be Unicode text: it holds half of a surrogate pair")
    if "\0" in value:
        raise Unfit("must not hold the character U+0000")
    return value


def _bool(value: object) -> bool:
    if not isinstance(value, bool):
        raise Unfit(f"must be true or false, not {kind_of(value)}")
    return value


def _integer(minimum: int, maximum: int) -> Callable[[object], int]:
    expected = f"must be a whole number from {minimum} to {maximum}"

    def read(value: object) -> int:
        number = _whole(value)
        if number is None:
            raise Unfit(expected)
        if not minimum <= number <= maximum:
            raise Unfit(f"is out of range: {expected}")
        return number

    return read


def _whole(value: object) -> int | None:
    """The whole number that a JSON value spells, if it does; also "7", 7.0 and "7e2"."""
    if isinstance(value, bool):
        return None
    if isinstance(value, int):
        return value
    if isinstance(value, str):
        if _INTEGER.fullmatch(value):
            return int(value)
        value = float(value) if _NUMBER.fullmatch(value) else math.nan
    if isinstance(value, float) and value.is_integer():
        return int(value)
    return None


def _floating(largest: float) -> Callable[[object], float]:
    def read(value: object) -> float:
        if isinstance(value, str) and value in _NOT_FINITE:
            return _NOT_FINITE[value]
        number = _number(value)
        if number is None:
            raise Unfit(f"must be a number, not {kind_of(value)}")
        if abs(number) > largest:
            raise Unfit("is out of range")
        return number

    return read


def _number(value: object) -> float | None:
    """The number that a JSON value spells, infinite where it is too large."""
    if isinstance(value, bool):
        return None
    if isinstance(value, str):
        return float(value) if _NUMBER.fullmatch(value) else None
    if not isinstance(value, int | float):
        return None
    try:
        return float(value)
    except OverflowError:
        return math.inf


def _bytes(value: object) -> bytes:
    found = _BASE64.fullmatch(_string(value))
    if found is None or len(found[1]) % 4 == 1:
        raise Unfit("must be base64")
    digits = found[1].replace("-", "+").replace("_", "/")
    return base64.b64decode(digits + "=" * (-len(digits) % 4))


def _enum(enum: EnumDescriptor, value: object) -> int:
    if isinstance(value, str) and value in enum.values_by_name:
        return int(enum.values_by_name[value].number)
    if value is None and enum.full_name == NULL_VALUE:
        return 0
    number = None if isinstance(value, str) else _whole(value)
    if number is not None and number in enum.values_by_number:
        return number
    names = [known.name for known in enum.values]
    if len(names) > _MOST_NAMES:
        raise Unfit(f"must be the name of a known {enum.name}")
    raise Unfit(f"must be one of {', '.join(names)}")


_READERS: Final[dict[int, Callable[[object], Any]]] = {
    FieldDescriptor.CPPTYPE_STRING: _string,
    FieldDescriptor.CPPTYPE_BOOL: _bool,
    FieldDescriptor.CPPTYPE_INT32: _integer(-(2**31), 2**31 - 1),
    FieldDescriptor.CPPTYPE_INT64: _integer(-(2**63), 2**63 - 1),
    FieldDescriptor.CPPTYPE_UINT32: _integer(0, 2**32 - 1),
    FieldDescriptor.CPPTYPE_UINT64: _integer(0, 2**64 - 1),
    FieldDescriptor.CPPTYPE_DOUBLE: _floating(1.7976931348623157e308),
    FieldDescriptor.CPPTYPE_FLOAT: _floating(_FLOAT_MAX),
}
"""By the type in memory; bytes and enums are read before."""
