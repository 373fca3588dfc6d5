"""What a request asks for: query string and form together, read as Prometheus reads them."""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from datetime import datetime
from urllib.parse import parse_qs

from services.monitoring.prometheus.errors import bad_data, bad_parameter

_LATEST_MS = 1 << 60
_MOST_FIELDS = 1_000
_DURATION = re.compile(r"(?:(\d+)y)?(?:(\d+)w)?(?:(\d+)d)?(?:(\d+)h)?(?:(\d+)m)?(?:(\d+)s)?(?:(\d+)ms)?")
_UNITS_MS = (365 * 86_400_000, 7 * 86_400_000, 86_400_000, 3_600_000, 60_000, 1_000, 1)
_TIME = re.compile(r"\d{4}-\d\d-\d\d[Tt ]\d\d:\d\d:\d\d(\.\d+)?([Zz]|[+-]\d\d:\d\d)")


class Parameters:
    """The parameters of one request.

    Raises:
        ApiError: They are no form, or too many.
    """

    def __init__(self, query_string: bytes, form: bytes = b"") -> None:
        self._fields: dict[str, list[str]] = {}
        for part in (form, query_string):
            try:
                found = parse_qs(part.decode(), keep_blank_values=True, max_num_fields=_MOST_FIELDS)
            except (ValueError, UnicodeDecodeError):
                raise bad_data("error parsing form values") from None
            for name, values in found.items():
                self._fields.setdefault(name, []).extend(values)

    def text(self, name: str) -> str:
        """The first value, or an empty text."""
        return self._fields.get(name, [""])[0]

    def texts(self, name: str) -> Sequence[str]:
        """All values."""
        return self._fields.get(name, [])

    def time_ms(self, name: str, default: int | None = None) -> int:
        """A time: seconds since 1970, or RFC 3339. Required unless there is a default."""
        text = self.text(name)
        if not text and default is not None:
            return default
        found = _seconds(text)
        if found is None or not abs(found) * 1000 < _LATEST_MS:
            raise bad_parameter(name, f'cannot parse "{text[:100]}" to a valid timestamp')
        return round(found * 1000)

    def duration_ms(self, name: str, default: int | None = None) -> int:
        """A duration: seconds, or as in PromQL."""
        text = self.text(name)
        if not text and default is not None:
            return default
        found = _duration_ms(text)
        if found is None or not abs(found) < _LATEST_MS:
            raise bad_parameter(name, f'cannot parse "{text[:100]}" to a valid duration')
        return round(found)

    def limit(self) -> int | None:
        """How many results are wanted; `None` for all."""
        text = self.text("limit")
        if not text:
            return None
        if not text.isascii() or not text.isdigit():
            raise bad_parameter("limit", f'strconv.Atoi: parsing "{text[:100]}": invalid syntax')
        return int(text[:18]) or None


def _seconds(text: str) -> float | None:
    number = _number(text)
    if number is not None:
        return number
    if not _TIME.fullmatch(text):
        return None
    try:
        return datetime.fromisoformat(text.upper()).timestamp()
    except (ValueError, OverflowError):
        return None


def _duration_ms(text: str) -> float | None:
    number = _number(text)
    if number is not None:
        return number * 1000
    found = _DURATION.fullmatch(text)
    if not text or found is None or any(part and len(part) > len("9" * 12) for part in found.groups()):
        return None
    return sum(int(part or 0) * unit for part, unit in zip(found.groups(), _UNITS_MS, strict=True))


def _number(text: str) -> float | None:
    if not text or "_" in text or text != text.strip():
        return None
    try:
        number = float(text)
    except ValueError:
        return None
    return number if math.isfinite(number) else None
