"""Money."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Money:
    """An amount of one currency.

    Attributes:
        currency_code: ISO 4217, in capitals.
        minor_units: In the currency's smallest unit.
    """

    currency_code: str
    minor_units: int
