"""The commands of a test file: load, clear, eval."""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from tests.real.promqltest.points import (
    NATIVE,
    BadScript,
    Line,
    duration_ms,
    series_labels,
    series_line,
    unquoted,
)

_LOAD = re.compile(r"load(_with_nhcb)?\s+(\S+)$")
_INSTANT = re.compile(r"eval(?:_(fail|warn|ordered|info))?\s+instant\s+(?:at\s+)?(\S+)?\s+(.+)$", re.DOTALL)
_RANGE = re.compile(
    r"eval(?:_(fail|warn|info))?\s+range\s+from\s+(\S+)\s+to\s+(\S+)\s+step\s+(\S+?)\s+(.+)$", re.DOTALL
)
_EXPECT = re.compile(r"expect\s+(fail|warn|info|no_warn|no_info|ordered)(?:\s+(msg|regex)\s*:\s*(.+))?$")
_EXPECT_STRING = re.compile(r"expect\s+string\s+(.+)$")
_EXPECT_RANGE = re.compile(r"expect\s+range\s+vector\s+from\s+(\S+)\s+to\s+(\S+)\s+step\s+(\S+)$")
_LEGACY = re.compile(r"expected_fail_(message|regexp)\s+(.+)$")
_NUMBER = re.compile(r"[-+]?(?:[0-9.][0-9.eExXa-fA-F+-]*|Inf|NaN)$", re.IGNORECASE)


@dataclass(frozen=True)
class Load:
    """Series to be stored, their points `step_ms` apart from time 0."""

    step_ms: int
    lines: Sequence[Line]
    as_native_too: bool


@dataclass(frozen=True)
class Clear:
    """Forget all series."""


@dataclass(frozen=True)
class Expectation:
    """Something an evaluation must or must not say."""

    kind: str
    match: str | None = None
    text: str = ""


@dataclass
class Eval:
    """A query, and what it should answer."""

    line: int
    expression: str
    start_ms: int
    end_ms: int
    step_ms: int | None
    """`None` for an instant query."""
    expectations: list[Expectation] = field(default_factory=list)
    series: list[Line] = field(default_factory=list)
    scalar: float | None = None
    string: str | None = None
    matrix_step_ms: int | None = None
    """Of an instant query that answers with a matrix; its points begin at `matrix_start_ms`."""
    matrix_start_ms: int = 0
    is_native: bool = False

    def expects(self, kind: str) -> list[Expectation]:
        return [each for each in self.expectations if each.kind == kind]


Command = Load | Clear | Eval


def commands(text: str) -> Iterator[Command]:
    """Read a test file."""
    for number, block in _blocks(text):
        head = block[0]
        if head.startswith("load"):
            yield _load(head, block[1:])
        elif head == "clear":
            yield Clear()
        elif head.startswith("eval"):
            yield _eval(number, head, block[1:])
        else:
            raise BadScript(f"line {number}: not a command: {head}")


def _blocks(text: str) -> Iterator[tuple[int, list[str]]]:
    """Yield each command with the lines that belong to it, and its line number."""
    block: list[str] = []
    began = 0
    for number, raw in enumerate(text.splitlines(), start=1):
        line = raw.strip()
        if line.startswith("#"):
            continue
        is_head = bool(re.match(r"(load(_with_nhcb)?\s|clear$|eval(_\w+)?\s)", line))
        if block and (is_head or not line):
            yield began, block
            block = []
        if line and (is_head or block):
            block, began = ([line], number) if is_head else ([*block, line], began)
        elif line:
            raise BadScript(f"line {number}: not a command: {line}")
    if block:
        yield began, block


def _load(head: str, lines: Sequence[str]) -> Load:
    found = _LOAD.match(head)
    if found is None:
        raise BadScript(f"not a load: {head}")
    return Load(duration_ms(found[2]), list(map(_stored, lines)), bool(found[1]))


def _stored(line: str) -> Line:
    """Read a series; points in a form that we do not know are as foreign as native histograms."""
    try:
        return series_line(line)
    except BadScript:
        return Line(series_labels(line)[0], [NATIVE])


def _eval(number: int, head: str, lines: Sequence[str]) -> Eval:
    if found := _RANGE.match(head):
        start, end, step = map(duration_ms, found.group(2, 3, 4))
        command = Eval(number, found[5], start, end, step)
    elif found := _INSTANT.match(head):
        time = duration_ms(found[2] or "0")
        command = Eval(number, found[3], time, time, None)
    else:
        raise BadScript(f"line {number}: not an eval: {head}")
    if found[1]:
        command.expectations.append(Expectation(found[1]))
    for line in lines:
        try:
            _read_expectation(command, line)
        except BadScript:
            command.is_native = True
    return command


def _read_expectation(command: Eval, line: str) -> None:
    command.is_native |= NATIVE in line
    if found := _EXPECT.match(line):
        command.expectations.append(Expectation(found[1], found[2], found[3] or ""))
    elif found := _EXPECT_STRING.match(line):
        command.string = unquoted(found[1])
    elif found := _EXPECT_RANGE.match(line):
        command.matrix_start_ms, command.matrix_step_ms = duration_ms(found[1]), duration_ms(found[3])
    elif found := _LEGACY.match(line):
        kind = "msg" if found[1] == "message" else "regex"
        command.expectations.append(Expectation("fail", kind, found[2]))
    elif _NUMBER.match(line):
        command.scalar = float(line)
    else:
        command.series.append(series_line(line))
