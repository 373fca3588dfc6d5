"""The name that a client gives to its attempt (draft-ietf-httpapi-idempotency-key-header-07)."""

import re
from typing import Final

from gateway.problems import IdempotencyKeyMalformed

LONGEST: Final = 255

_QUOTED = re.compile(r'"((?:[\x20-\x21\x23-\x5b\x5d-\x7e]|\\["\\])*)"')
"""A string of structured fields (RFC 8941 section 3.3.3)."""
_BARE = re.compile(r"[\x21\x23-\x2b\x2d-\x5b\x5d-\x7e]+")
"""Visible ASCII without quotes, commas and backslashes."""
_ESCAPE = re.compile(r'\\(["\\])')


def key_of(header: str) -> str:
    """The key in an Idempotency-Key header, quoted or bare; empty if there is none."""
    if not header:
        return ""
    quoted = _QUOTED.fullmatch(header)
    if quoted is not None:
        key = _ESCAPE.sub(r"\1", quoted[1]).strip()
    elif _BARE.fullmatch(header):
        key = header
    else:
        raise IdempotencyKeyMalformed(
            'The Idempotency-Key must be one quoted string, such as "8e03978e-40d5-43e8", or one word.'
        )
    if not 1 <= len(key) <= LONGEST:
        raise IdempotencyKeyMalformed(f"The Idempotency-Key must have 1 to {LONGEST} characters.")
    return key
