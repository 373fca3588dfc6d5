"""What is switched on, and which variant of an experiment a customer gets."""

from __future__ import annotations

from typing import Protocol


class Flags(Protocol):
    """The flags of the shop. Asking is free and never fails: what cannot be told is the default."""

    def is_on(self, flag: str, customer: str) -> bool:
        """Whether the flag is on for this customer; off if that cannot be told."""
        ...

    def variant(self, flag: str, customer: str, default: str) -> str:
        """The variant that this customer has, the same each time; `default` if that cannot be told."""
        ...
