"""The shapes of fields that several use cases take."""

from __future__ import annotations

import re
from typing import Final
from uuid import UUID

MAX_MINOR_UNITS: Final = 2**63 - 1
"""The largest amount of money: what 64 bits hold."""

SKU_RULE: Final = "must be 1 to 64 of A-Z 0-9 . _ -"

_SKU: Final = re.compile(r"[A-Z0-9._-]{1,64}")


def is_sku(text: str) -> bool:
    """True for what may name a product."""
    return _SKU.fullmatch(text) is not None


def is_id(text: str) -> bool:
    """True for what may name an order or a dead letter."""
    try:
        UUID(text)
    except ValueError:
        return False
    return True
