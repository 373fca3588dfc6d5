"""OpenTelemetry's attributes as labels."""

from __future__ import annotations

from collections.abc import Sequence

from google.protobuf.message import DecodeError
from opentelemetry.proto.common.v1.common_pb2 import AnyValue, KeyValue

from services.monitoring.ingest import Reason, label_name

MOST_ATTRIBUTES = 128
"""Of a point or a resource: the limit that OpenTelemetry's SDKs set themselves. More are not even read."""


def decoded(attributes: Sequence[bytes]) -> dict[str, str] | Reason:
    """Names to texts as they were sent, without empty ones; or why they are no labels."""
    if len(attributes) > MOST_ATTRIBUTES:
        return Reason.TOO_MANY_LABELS
    found: dict[str, str] = {}
    for encoded in attributes:
        try:
            attribute = KeyValue.FromString(encoded)
        except (DecodeError, UnicodeDecodeError):
            return Reason.BAD_LABELS
        value = _text(attribute.value)
        if value is None or attribute.key in found:
            return Reason.BAD_LABELS
        found[attribute.key] = value
    return {name: value for name, value in found.items() if value}


def labels(attributes: Sequence[bytes]) -> dict[str, str] | Reason:
    """The same under Prometheus's names. What becomes one name is joined, in the order of the old names."""
    found = decoded(attributes)
    if isinstance(found, Reason):
        return found
    if "" in found:
        return Reason.UNNAMED
    named: dict[str, str] = {}
    for name in sorted(found):
        prometheus = label_name(name)
        named[prometheus] = f"{named[prometheus]};{found[name]}" if prometheus in named else found[name]
    return named


def _text(value: AnyValue) -> str | None:
    match value.WhichOneof("value"):
        case "string_value":
            return value.string_value
        case "bool_value":
            return "true" if value.bool_value else "false"
        case "int_value":
            return str(value.int_value)
        case "double_value":
            return repr(value.double_value)
        case None:
            return ""
        case _:
            return None
