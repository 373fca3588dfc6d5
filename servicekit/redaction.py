"""What may not leave the process in a log line or an error report.

Two rules. A *named* value is judged by its name, from a closed set. *Free text*, such as
the message of a library's exception, is searched for what secrets look like. Neither
rule makes it right to log a secret: they are the net below the rope.
"""

import re
from collections.abc import Mapping
from typing import Any

REDACTED = "[redacted]"

SENSITIVE_NAMES = frozenset(
    {
        "access_token",
        "api_key",
        "authorization",
        "birth_date",
        "card",
        "card_number",
        "client_secret",
        "cookie",
        "credentials",
        "cvc",
        "database_url",
        "date_of_birth",
        "dsn",
        "email",
        "email_address",
        "id_token",
        "mesh_key",
        "password",
        "password_hash",
        "payment_method",
        "payment_method_id",
        "payment_method_token",
        "phone",
        "private_key",
        "redis_url",
        "refresh_token",
        "secret",
        "sentry_dsn",
        "set_cookie",
        "signature",
        "stripe_api_key",
        "stripe_signature",
        "stripe_webhook_secret",
        "token",
        "webhook_secret",
        "x_tillmesh_service",
    }
)
"""Names whose values are never written, in lower case with underscores."""

_SECRETS = re.compile(
    r"(?P<login>://[^/\s:@]{0,64}:[^/\s@]{1,256}@)"
    r"|(?P<assignment>\b(?P<name>password|passwd|token|secret|api[_-]?key|authorization|cookie)"
    r"['\"]?\s*[=:]\s*)(?P<value>(?:bearer\s+|basic\s+)?[^\s,;&]+)"
    r"|(?P<scheme>\b(?:bearer|basic)\s+)[\w.~+/=-]{8,}"
    r"|\beyJ[\w-]{8,}\.[\w-]+\.?[\w-]*"
    r"|\b(?:sk|rk|pk|whsec|pm|tok|seti|pi_[A-Za-z0-9]+_secret)_[A-Za-z0-9_]{8,}"
    r"|[\w.+-]{1,64}@[\w-]{1,63}(?:\.[\w-]{1,63})+"
    r"|(?P<digits>\b\d(?:[ -]?\d){12,18}\b)",
    re.IGNORECASE,
)

_DEEPEST = 6
"""Deeper values are replaced whole: nothing we mean to log is nested so far."""


def is_sensitive(name: str) -> bool:
    """True when a value so named may not be written; `Set-Cookie` and `set_cookie` are one name."""
    return name in SENSITIVE_NAMES or name.lower().replace("-", "_") in SENSITIVE_NAMES


def redacted(value: Any, depth: int = _DEEPEST) -> Any:  # noqa: ANN401 - any JSON-like value
    """`value` with every sensitively named member, however deep, replaced."""
    if isinstance(value, Mapping):
        if depth == 0:
            return REDACTED
        return {
            str(name): REDACTED if is_sensitive(str(name)) else redacted(member, depth - 1)
            for name, member in value.items()
        }
    if isinstance(value, list | tuple | set | frozenset):
        return REDACTED if depth == 0 else [redacted(member, depth - 1) for member in value]
    return value


def scrubbed(text: str) -> str:
    """`text` without what looks like a password, token, key, e-mail address or card number."""
    return _SECRETS.sub(_replacement, text)


def _replacement(found: re.Match[str]) -> str:
    if found["digits"]:
        return REDACTED if _is_card_number(found["digits"]) else found["digits"]
    if found["login"]:
        return f"://{REDACTED}@"
    return f"{found['assignment'] or found['scheme'] or ''}{REDACTED}"


def _is_card_number(text: str) -> bool:
    """The Luhn check of ISO/IEC 7812-1, so that timestamps and row counts stay readable."""
    digits = [int(character) for character in text if character.isdigit()]
    doubled = [digit * 2 - 9 if digit > 4 else digit * 2 for digit in digits[-2::-2]]  # noqa: PLR2004 - Luhn
    return (sum(digits[-1::-2]) + sum(doubled)) % 10 == 0
