"""Names as Prometheus has them, from the names that OpenTelemetry has.

Source: OpenTelemetry's "Prometheus and OpenMetrics Compatibility", and what Prometheus
3's OTLP receiver does. One difference: a gauge of unit 1 gets `_ratio` only if its name
is no Prometheus name already. What services name for Prometheus must arrive as it is.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterable

from services.monitoring.ingest.model import Kind

BUCKET_LABEL = "le"

_NOT_IN_METRICS = re.compile(r"[^a-zA-Z0-9_:]+")
_NOT_IN_LABELS = re.compile(r"[^a-zA-Z0-9_]")
_IS_PROMETHEUS_NAME = re.compile(r"[a-zA-Z_:][a-zA-Z0-9_:]*")

_UNITS = {
    "d": "days", "h": "hours", "min": "minutes", "s": "seconds", "ms": "milliseconds", "us": "microseconds",
    "ns": "nanoseconds", "By": "bytes", "KiBy": "kibibytes", "MiBy": "mebibytes", "GiBy": "gibibytes",
    "TiBy": "tibibytes", "KBy": "kilobytes", "MBy": "megabytes", "GBy": "gigabytes", "TBy": "terabytes",
    "m": "meters", "V": "volts", "A": "amperes", "J": "joules", "W": "watts", "g": "grams", "Cel": "celsius",
    "Hz": "hertz", "%": "percent",
}  # fmt: skip
_PER = {"s": "second", "m": "minute", "h": "hour", "d": "day", "w": "week", "mo": "month", "y": "year"}

_SMALLEST_EXPONENT, _LARGEST_EXPONENT = -4, 6
"""Go writes shortest floats with an exponent outside of these."""


def metric_name(name: str, unit: str, kind: Kind) -> str:
    """The name of a metric in Prometheus, without the suffixes of a histogram's series."""
    if not name:
        return ""
    tokens = [token for token in _NOT_IN_METRICS.sub("_", name).split("_") if token]
    is_native = bool(_IS_PROMETHEUS_NAME.fullmatch(name))
    for word in _unit_words(unit):
        if word not in tokens:
            tokens.append(word)
    if kind is Kind.COUNTER:
        tokens = [*(token for token in tokens if token != "total"), "total"]  # noqa: S105 - no secret
    elif kind is Kind.GAUGE and unit == "1" and not is_native and "ratio" not in tokens:
        tokens.append("ratio")
    if is_native and tokens == [token for token in name.split("_") if token]:
        return name
    made = "_".join(tokens)
    return f"_{made}" if made[:1].isdigit() else made


def label_name(name: str) -> str:
    """The name of a label in Prometheus."""
    made = _NOT_IN_LABELS.sub("_", name)
    if made[:1].isdigit():
        return f"key_{made}"
    return f"key{made}" if made.startswith("_") and not made.startswith("__") else made


def bound(limit: float) -> str:
    """The value of `le` for a bound, as Prometheus 3 normalises it: `1.0`, `0.005`, `1e+06`, `+Inf`."""
    limit = float(limit)
    if math.isinf(limit):
        return "+Inf" if limit > 0 else "-Inf"
    digits, _, exponent = f"{limit!r}".partition("e")
    power = int(exponent) if exponent else _power(digits)
    if limit and not _SMALLEST_EXPONENT <= power < _LARGEST_EXPONENT:
        return _with_exponent(limit)
    plain = f"{limit:.20f}".rstrip("0") if exponent else digits
    return plain + "0" if plain.endswith(".") else plain


def normalised_bound(value: str) -> str:
    """The value of `le` that somebody sent, normalised; as it is if it is no number."""
    try:
        limit = float(value)
    except ValueError:
        return value
    return value if math.isnan(limit) else bound(limit)


def _power(digits: str) -> int:
    whole, _, fraction = digits.lstrip("-").partition(".")
    if whole.strip("0"):
        return len(whole) - 1
    return -(len(fraction) - len(fraction.lstrip("0")) + 1)


def _with_exponent(limit: float) -> str:
    """With as few digits as tell the number from its neighbours, and two for the exponent at least."""
    for precision in range(17):
        text = f"{limit:.{precision}e}"
        if float(text) == limit:
            return text
    return f"{limit:.16e}"


def _unit_words(unit: str) -> Iterable[str]:
    """`By/s` is bytes, per, second. What stands in braces is a remark."""
    main, _, per = re.sub(r"\{[^}]*\}", "", unit).partition("/")
    if main and main != "1":
        yield _UNITS.get(main, _NOT_IN_METRICS.sub("_", main).strip("_"))
    if per:
        yield "per"
        yield _PER.get(per, _NOT_IN_METRICS.sub("_", per).strip("_"))
