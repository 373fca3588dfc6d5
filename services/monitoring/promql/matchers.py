"""Which values of a label a selector asks for.

Regular expressions are RE2's: linear in the length of the text, whatever the pattern.
They are anchored at both ends and a dot matches a newline, as in Prometheus.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Literal

import re2  # type: ignore[import-untyped]  # ships none

MatchOperator = Literal["=", "!=", "=~", "!~"]


class BadPattern(ValueError):
    """A regular expression that RE2 refuses; the message says why."""


@dataclass(frozen=True, slots=True)
class Matcher:
    """A claim about the value of one label. An absent label has the value `""`."""

    name: str
    op: MatchOperator
    value: str

    def matches(self, value: str) -> bool:
        """Tell whether a value satisfies this matcher.

        Raises:
            BadPattern: RE2 refuses the regular expression.
        """
        return self.test()(value)

    def test(self) -> Callable[[str], bool]:
        """Return `matches`, faster for one who has many values to try."""
        wanted = self.value
        match self.op:
            case "=":
                return lambda value: value == wanted
            case "!=":
                return lambda value: value != wanted
            case "=~":
                pattern = anchored(wanted)
                return lambda value: pattern.fullmatch(value) is not None
            case "!~":
                pattern = anchored(wanted)
                return lambda value: pattern.fullmatch(value) is None


@lru_cache(maxsize=1024)
def anchored(pattern: str) -> Any:  # noqa: ANN401  # re2 has no types
    """Return a compiled expression, to be used with `fullmatch`.

    Raises:
        BadPattern: RE2 refuses it.
    """
    options = re2.Options()
    options.dot_nl = True
    options.log_errors = False
    try:
        return re2.compile(pattern, options)
    except re2.error as refusal:
        reason = refusal.args[0]
        raise BadPattern(reason.decode() if isinstance(reason, bytes) else str(reason)) from None
