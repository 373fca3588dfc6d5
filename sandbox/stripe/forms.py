"""Stripe's request bodies: form-encoded, nested by brackets, checked parameter by parameter.

An endpoint reads what it knows; whatever it did not read is unknown and refused.
"""

from __future__ import annotations

import re
from collections.abc import Collection
from urllib.parse import parse_qsl

from sandbox.stripe import errors

_NAME = re.compile(r"([^\[\]]+)((?:\[[^\[\]]*\])*)")
_BRACKETED = re.compile(r"\[([^\[\]]*)\]")
_CURRENCY = re.compile(r"[A-Za-z]{3}")

# https://docs.stripe.com/metadata#data
_METADATA_KEYS = 50
_METADATA_KEY_LENGTH = 40
_METADATA_VALUE_LENGTH = 500


class Parameters:
    """The parameters of one call, by their flat names such as `metadata[order_id]`."""

    def __init__(self, encoded: bytes) -> None:
        """Decode a query string or a form body.

        Raises:
            StripeError: It is not UTF-8, or a name's brackets do not match.
        """
        try:
            pairs = parse_qsl(encoded.decode("utf-8"), keep_blank_values=True, errors="strict")
        except UnicodeDecodeError:
            raise errors.malformed("Invalid UTF-8 in the request.") from None
        for name, _ in pairs:
            if not _NAME.fullmatch(name):
                raise errors.malformed(f"Invalid parameter name: {name}")
        self.pairs = sorted(pairs)
        self._values = dict(pairs)
        self._read: set[str] = set()

    def text(self, name: str) -> str | None:
        """A string; `None` where it is absent.

        Raises:
            StripeError: It is there and empty: Stripe means "unset" by that, which nothing here can be.
        """
        self._read.add(name)
        value = self._values.get(name)
        if value is not None and not value.strip():
            message = f"You passed an empty string for '{name}'. Remove it or give it a value."
            raise errors.parameter_invalid(name, message, "parameter_invalid_empty")
        return value

    def required(self, name: str) -> str:
        """A string that must be there."""
        value = self.text(name)
        if value is None:
            raise errors.parameter_missing(name)
        return value

    def integer(self, name: str) -> int | None:
        """A whole number of zero or more; `None` where it is absent."""
        value = self.text(name)
        if value is None:
            return None
        if not re.fullmatch(r"\d{1,18}", value, re.ASCII):
            raise errors.parameter_invalid(name, f"Invalid integer: {value}", "parameter_invalid_integer")
        return int(value)

    def required_integer(self, name: str) -> int:
        """A whole number that must be there."""
        self.required(name)
        return self.integer(name) or 0

    def boolean(self, name: str) -> bool:
        """`true` or `false`; absent means false."""
        value = self.text(name)
        if value not in {None, "true", "false"}:
            raise errors.parameter_invalid(name, f"Invalid boolean: {value}")
        return value == "true"

    def choice(self, name: str, choices: Collection[str]) -> str | None:
        """One of `choices`; `None` where it is absent."""
        value = self.text(name)
        if value is not None and value not in choices:
            message = f"Invalid {name}: must be one of {', '.join(sorted(choices))}"
            raise errors.parameter_invalid(name, message)
        return value

    def currency(self, name: str) -> str:
        """A required ISO 4217 code, in lower case as Stripe keeps it."""
        value = self.required(name)
        if not _CURRENCY.fullmatch(value):
            raise errors.parameter_invalid(name, f"Invalid currency: {value}")
        return value.lower()

    def texts(self, name: str) -> list[str]:
        """A list, sent as `name[]` or `name[0]`, in the order sent."""
        return [value for _, value in self._under(name)]

    def mapping(self, name: str) -> dict[str, str]:
        """One level of nesting, such as `created[gte]`."""
        return dict(self._under(name))

    def metadata(self) -> dict[str, str]:
        """The caller's own key-value pairs, within Stripe's limits."""
        pairs = self.mapping("metadata")
        if len(pairs) > _METADATA_KEYS:
            raise errors.parameter_invalid("metadata", f"Metadata can have up to {_METADATA_KEYS} keys.")
        for key, value in pairs.items():
            if len(key) > _METADATA_KEY_LENGTH or len(value) > _METADATA_VALUE_LENGTH:
                message = (
                    f"Metadata keys can have up to {_METADATA_KEY_LENGTH} characters "
                    f"and values up to {_METADATA_VALUE_LENGTH}."
                )
                raise errors.parameter_invalid(f"metadata[{key}]", message)
        return pairs

    def finish(self) -> None:
        """Refuse whatever was not read.

        Raises:
            StripeError: `parameter_unknown`, naming all of it.
        """
        if unknown := self._values.keys() - self._read:
            raise errors.parameter_unknown(unknown)

    def _under(self, name: str) -> list[tuple[str, str]]:
        found = []
        for flat, value in self.pairs:
            keys = _BRACKETED.findall(flat)
            if flat.startswith(f"{name}[") and len(keys) == 1:
                self._read.add(flat)
                found.append((keys[0], value))
        return found
