"""How long an RPC lives, as its clients are told: RFC 9745 and RFC 8594."""

from dataclasses import dataclass
from datetime import UTC, date, datetime
from email.utils import format_datetime

from tillmesh.options.v1 import options_pb2


class BadLifecycle(Exception):
    """A life cycle in a proto is no life cycle."""


@dataclass(frozen=True, slots=True)
class Lifecycle:
    """When an RPC was deprecated and when it stops; None for never. Days begin at 00:00 UTC."""

    deprecated_at: datetime | None = None
    sunset_at: datetime | None = None
    successor: str = ""

    @classmethod
    def of(cls, option: options_pb2.Lifecycle) -> "Lifecycle":
        """The life cycle that a proto states. Raises BadLifecycle."""
        deprecated_at, sunset_at = _midnight(option.deprecated_on), _midnight(option.sunset_on)
        if sunset_at is not None and (deprecated_at is None or deprecated_at > sunset_at):
            raise BadLifecycle("a sunset needs a deprecation before it (RFC 9745 section 4)")
        return cls(deprecated_at, sunset_at, option.successor)

    def is_over(self, now: datetime) -> bool:
        """True from the day of the sunset on."""
        return self.sunset_at is not None and now >= self.sunset_at

    def headers(self) -> tuple[tuple[bytes, bytes], ...]:
        """What an answer says of it; nothing while no end is planned."""
        if self.deprecated_at is None:
            return ()
        told = [(b"deprecation", f"@{int(self.deprecated_at.timestamp())}".encode())]
        if self.sunset_at is not None:
            told.append((b"sunset", format_datetime(self.sunset_at, usegmt=True).encode()))
        if self.successor:
            told.append((b"link", f'<{self.successor}>; rel="successor-version"'.encode()))
        return tuple(told)


def _midnight(day: str) -> datetime | None:
    if not day:
        return None
    try:
        return datetime.combine(date.fromisoformat(day), datetime.min.time(), UTC)
    except ValueError as error:
        raise BadLifecycle(f"{day!r} is no day of the form YYYY-MM-DD") from error
