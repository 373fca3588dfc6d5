"""Path templates of `google.api.http`, by the grammar of google/api/http.proto.

    Template = "/" Segments [ Verb ] ;      Segments  = Segment { "/" Segment } ;
    Segment  = "*" | "**" | LITERAL | Variable ;
    Variable = "{" FieldPath [ "=" Segments ] "}" ;
    FieldPath = IDENT { "." IDENT } ;       Verb = ":" LITERAL ;

A LITERAL is one or more `pchar` of RFC 3986 without ":" and "*". Whatever the
grammar does not allow is refused with its column: nothing is guessed.
"""

import re
from dataclasses import dataclass
from enum import Enum
from typing import NoReturn, TypeAlias
from urllib.parse import unquote_to_bytes

_LITERAL = re.compile(r"(?:[A-Za-z0-9._~!$&'()+,;=@-]|%[0-9A-Fa-f]{2})+")
_IDENT = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_BROKEN_ESCAPE = re.compile(r"%(?![0-9A-Fa-f]{2})")
_SLASH_ESCAPE = re.compile(r"(%2[Ff])")


class BadTemplate(Exception):
    """A template breaks the grammar. `column` counts from 1."""

    def __init__(self, text: str, column: int, message: str) -> None:
        super().__init__(f"column {column} of {text!r}: {message}")
        self.column = column


class BadPath(Exception):
    """A request's path is no text: a broken percent-escape, or bytes that are not UTF-8."""


class Wildcard(Enum):
    """What a segment may be when it is not literal."""

    ONE = "*"
    """Any one segment that is not empty."""
    REST = "**"
    """All the segments that are left, none included."""


Segment: TypeAlias = str | Wildcard


@dataclass(frozen=True, slots=True)
class Variable:
    """A field of the request message, and the segments that it takes.

    `stop` is None where the variable takes all that is left.
    """

    field_path: tuple[str, ...]
    start: int
    stop: int | None
    column: int

    @property
    def is_single(self) -> bool:
        """True if exactly one segment is taken: then "%2F" is decoded too."""
        return self.stop == self.start + 1

    def capture(self, segments: list[str]) -> str:
        """The variable's text, from the still encoded segments of a path that matched."""
        if self.is_single:
            return decoded(segments[self.start])
        return "/".join(decoded_but_slashes(segment) for segment in segments[self.start : self.stop])


@dataclass(frozen=True, slots=True)
class Template:
    """A parsed template. Literal segments and the verb are held decoded."""

    text: str
    segments: tuple[Segment, ...]
    variables: tuple[Variable, ...]
    verb: str = ""


def decoded(segment: str) -> str:
    """A segment without its percent-escapes; `+` stays what it is."""
    if "%" not in segment:
        return segment
    if _BROKEN_ESCAPE.search(segment):
        raise BadPath("a percent sign is not followed by two hexadecimal digits")
    try:
        return unquote_to_bytes(segment).decode()
    except UnicodeDecodeError as error:
        raise BadPath("the percent-escapes are not UTF-8") from error


def decoded_but_slashes(segment: str) -> str:
    """As `decoded`, but "%2F" and "%2f" stay: they are no separators."""
    return "".join(
        part if _SLASH_ESCAPE.fullmatch(part) else decoded(part) for part in _SLASH_ESCAPE.split(segment)
    )


def parse(text: str) -> Template:
    """The template that `text` spells. Raises BadTemplate."""
    return _Parser(text).template()


class _Parser:
    """Recursive descent over one template; `_at` is the next character."""

    def __init__(self, text: str) -> None:
        self._text = text
        self._at = 0
        self._segments: list[Segment] = []
        self._variables: list[Variable] = []

    def template(self) -> Template:
        self._expect("/")
        self._read_segments(inside_variable=False)
        verb = ""
        if self._next_is(":"):
            self._at += 1
            verb = decoded(self._match(_LITERAL, "a verb after ':'"))
        if self._at != len(self._text):
            self._fail(f"{self._text[self._at]!r} is not allowed here")
        return Template(self._text, tuple(self._segments), tuple(self._variables), verb)

    def _read_segments(self, *, inside_variable: bool) -> None:
        self._read_segment(inside_variable=inside_variable)
        while self._next_is("/"):
            if Wildcard.REST in self._segments:
                self._fail("'**' must be the last segment")
            self._at += 1
            self._read_segment(inside_variable=inside_variable)

    def _read_segment(self, *, inside_variable: bool) -> None:
        if self._next_is("**"):
            self._at += 2
            self._segments.append(Wildcard.REST)
        elif self._next_is("*"):
            self._at += 1
            self._segments.append(Wildcard.ONE)
        elif self._next_is("{"):
            if inside_variable:
                self._fail("a variable may not hold another variable")
            self._read_variable()
        else:
            self._segments.append(decoded(self._match(_LITERAL, "a segment: a literal, '*', '**' or '{'")))

    def _read_variable(self) -> None:
        column, start = self._at + 1, len(self._segments)
        self._expect("{")
        field_path = self._field_path()
        if field_path in (variable.field_path for variable in self._variables):
            self._at = column
            self._fail(f"{'.'.join(field_path)!r} is bound twice")
        if self._next_is("="):
            self._at += 1
            self._read_segments(inside_variable=True)
        else:
            self._segments.append(Wildcard.ONE)
        self._expect("}")
        stop = None if self._segments[-1] is Wildcard.REST else len(self._segments)
        self._variables.append(Variable(field_path, start, stop, column))

    def _field_path(self) -> tuple[str, ...]:
        names = [self._match(_IDENT, "a field name")]
        while self._next_is("."):
            self._at += 1
            names.append(self._match(_IDENT, "a field name"))
        return tuple(names)

    def _next_is(self, expected: str) -> bool:
        return self._text.startswith(expected, self._at)

    def _expect(self, expected: str) -> None:
        if not self._next_is(expected):
            self._fail(f"expected {expected!r}")
        self._at += len(expected)

    def _match(self, pattern: re.Pattern[str], wanted: str) -> str:
        found = pattern.match(self._text, self._at)
        if found is None:
            self._fail(f"expected {wanted}")
        self._at = found.end()
        return found.group()

    def _fail(self, message: str) -> NoReturn:
        raise BadTemplate(self._text, self._at + 1, message)
