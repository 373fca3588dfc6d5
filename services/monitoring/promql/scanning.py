r"""A look at the text of a query before the parser sees it.

`promql-parser` crashes the process on deep nesting and needs time that grows with the
square of the number of operators; it also reads `\xff` in a string as a character where
PromQL means a byte. All three are refused here, by a scan that takes linear time.
"""

from __future__ import annotations

import re

from services.monitoring.promql.errors import LimitExceeded, ParseError, Unsupported
from services.monitoring.promql.limits import Limits

_TOKEN = re.compile(
    r"""
      (?P<space>\s+|\#[^\n]*)
    | (?P<string>"(?:[^"\\\n]|\\.)*"|'(?:[^'\\\n]|\\.)*'|`[^`]*`)
    | (?P<quote>["'`])
    | (?P<open>[(\[{])
    | (?P<close>[)\]}])
    | (?P<sign>[-+])
    | (?P<operator>[*/%^<>]|[=!][=~]?|\b(?:and|or|unless|atan2|offset)\b)
    | (?P<word>\w+)
    | (?P<other>.)
    """,
    re.VERBOSE | re.DOTALL | re.IGNORECASE,
)
_BYTE_ESCAPE = re.compile(r"\\(?:x[89a-fA-F][0-9a-fA-F]|[2-7][0-7]{2})")
_ESCAPED_BACKSLASH = re.compile(r"\\\\")


def scan(text: str, limits: Limits) -> None:
    """Refuse a text that is not safe to parse.

    Raises:
        ParseError: It cannot be PromQL.
        LimitExceeded: It is too long, too deep or has too many operators.
        Unsupported: A string holds bytes that need not be UTF-8.
    """
    if len(text) > limits.length:
        raise LimitExceeded(f"query has {len(text)} characters, more than {limits.length}")
    if not text.isprintable() and any("\ud800" <= character <= "\udfff" for character in text):
        raise ParseError("query is not valid UTF-8")
    depth = signs = operators = 0
    for token in _TOKEN.finditer(text):
        kind = token.lastgroup
        depth += (kind == "open") - (kind == "close")
        operators += kind in {"sign", "operator"}
        if kind != "space":
            signs = signs + 1 if kind == "sign" else 0
        if max(depth, signs) > limits.depth:
            raise LimitExceeded(f"query is nested more than {limits.depth} deep")
        if operators > limits.operators:
            raise LimitExceeded(f"query has more than {limits.operators} operators")
        _check_string(kind, token)


def _check_string(kind: str | None, token: re.Match[str]) -> None:
    if kind == "quote":
        raise ParseError("unterminated quoted string", token.start())
    literal = token.group()
    if kind == "string" and literal[0] != "`" and _BYTE_ESCAPE.search(_ESCAPED_BACKSLASH.sub("", literal)):
        raise Unsupported("bytes above \\x7f in a string: write the characters themselves", token.start())
