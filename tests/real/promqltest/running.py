"""Runs the commands of a test file against our engine, as Prometheus runs them against its own."""

import math
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from enum import Enum
from pathlib import Path

import numpy as np
import promql_parser

from services.monitoring.promql import (
    METRIC_NAME,
    STALE_NAN_BITS,
    Dialect,
    Engine,
    Labels,
    MatrixResult,
    MemorySource,
    Note,
    ParseError,
    Query,
    QueryError,
    Result,
    ScalarResult,
    Series,
    StringResult,
    Unsupported,
    VectorResult,
)
from services.monitoring.promql.syntax import Selector, walk
from tests.real.promqltest.points import NATIVE, STALE, BadScript, Line
from tests.real.promqltest.script import Clear, Eval, Load, commands

EPSILON = 1e-6
"""Relative; Prometheus's own."""
_POSITION = re.compile(r" \(\d+:\d+\)")
_QUERY_BOUND = re.compile(r"\b(?:range|step|start|end)\(\)")
_STALE_NAN = float(np.array([STALE_NAN_BITS], dtype=np.int64).view(np.float64)[0])


class Verdict(Enum):
    """What became of one eval."""

    PASSED = "passed"
    FAILED = "failed"
    NATIVE = "native"
    """It touches a native histogram."""
    REFUSED = "refused"
    """The parser does not accept it."""


@dataclass(frozen=True)
class Outcome:
    """One eval, and why it is not passed."""

    path: str
    command: Eval
    verdict: Verdict
    reason: str = ""


class Mismatch(Exception):
    """The answer is not the one expected."""


class Storage:
    """What has been loaded: floats, and which series hold native histograms."""

    def __init__(self) -> None:
        self.lines: dict[Labels, list[tuple[int, float]]] = {}
        self.native: set[Labels] = set()

    def load(self, command: Load) -> None:
        for line in command.lines:
            if line.is_native:
                self.native.add(line.labels)
            samples = self.lines.setdefault(line.labels, [])
            for index, point in enumerate(line.points):
                value = _STALE_NAN if point == STALE else point
                if isinstance(value, float):
                    samples.append((index * command.step_ms, value))
            if command.as_native_too and "le" in line.labels:
                name = line.labels[METRIC_NAME].removesuffix("_bucket")
                self.native.add(line.labels.bucketless.with_values({METRIC_NAME: name}))

    def source(self) -> MemorySource:
        return MemorySource(
            _series(labels, samples) for labels, samples in self.lines.items() if labels not in self.native
        )

    def touches_native(self, query: Query) -> bool:
        return any(
            all(matcher.matches(labels.get(matcher.name, "")) for matcher in node.matchers)
            for node in walk(query.root)
            if isinstance(node, Selector)
            for labels in self.native
        )


def _series(labels: Labels, samples: Sequence[tuple[int, float]]) -> Series:
    by_time = dict(sorted(samples))
    times = np.array(list(by_time), dtype=np.int64)
    return Series(labels, times, np.array(list(by_time.values()), dtype=np.float64))


def run_file(path: Path) -> Iterator[Outcome]:
    """Run one file; yield what becomes of each eval."""
    engine = Engine(dialect=Dialect(delayed_name_removal=True))
    storage = Storage()
    for command in commands(path.read_text()):
        match command:
            case Clear():
                storage = Storage()
            case Load():
                storage.load(command)
            case Eval():
                yield _run(engine, storage, path, command)


def _run(engine: Engine, storage: Storage, path: Path, command: Eval) -> Outcome:
    name = path.name
    if command.is_native:
        return Outcome(name, command, Verdict.NATIVE)
    try:
        query = engine.parse(command.expression)
    except ParseError as refusal:
        return _unparsed(storage, name, command, refusal)
    if storage.touches_native(query):
        return Outcome(name, command, Verdict.NATIVE)
    try:
        _check(engine, storage.source(), query, command)
    except (Mismatch, QueryError) as fault:
        return Outcome(name, command, Verdict.FAILED, str(fault))
    return Outcome(name, command, Verdict.PASSED)


def _unparsed(storage: Storage, name: str, command: Eval, refusal: ParseError) -> Outcome:
    """Return what becomes of a query that we do not parse: right if it should fail, native, or refused."""
    if command.expects("fail"):
        return Outcome(name, command, Verdict.PASSED)
    selectors = set(re.findall(r"[a-zA-Z_:][a-zA-Z0-9_:]*", command.expression))
    if selectors & {labels.get(METRIC_NAME, "") for labels in storage.native}:
        return Outcome(name, command, Verdict.NATIVE, str(refusal))
    if isinstance(refusal, Unsupported) or _accepted(command.expression):
        return Outcome(name, command, Verdict.FAILED, str(refusal))
    return Outcome(name, command, Verdict.REFUSED, str(refusal))


def _accepted(expression: str) -> bool:
    try:
        promql_parser.parse(expression)
    except ValueError:
        return False
    return True


def _check(engine: Engine, source: MemorySource, query: Query, command: Eval) -> None:
    try:
        result = _evaluated(engine, source, query, command)
    except QueryError as fault:
        _check_failure(command, fault)
        return
    if command.expects("fail"):
        raise Mismatch("it should have failed")
    _check_notes(command, result.notes)
    _check_value(command, result)
    if command.step_ms is None and not command.expects("ordered"):
        _check_as_range(engine, source, query, command, result)


def _evaluated(engine: Engine, source: MemorySource, query: Query, command: Eval) -> Result:
    if command.step_ms is None:
        return engine.instant(query, source, command.start_ms)
    return engine.range(query, source, command.start_ms, command.end_ms, command.step_ms)


def _check_failure(command: Eval, fault: QueryError) -> None:
    expected = command.expects("fail")
    if not expected:
        raise fault
    for each in expected:
        if each.match and not _matches(each.match, each.text, str(fault)):
            raise Mismatch(f"it failed with {fault}")


def _matches(match: str, expected: str, text: str) -> bool:
    if match == "msg":
        return _POSITION.sub("", expected).strip() == text
    return re.search(expected.strip(), text) is not None


def _check_notes(command: Eval, notes: Sequence[Note]) -> None:
    for kind, level in (("warn", "warning"), ("info", "info")):
        texts = [str(note) for note in notes if note.level == level]
        for each in command.expects(kind):
            if not any(each.match is None or _matches(each.match, each.text, text) for text in texts):
                raise Mismatch(f"no such {level}: {each.text}; {texts}")
        if command.expects(f"no_{kind}") and texts:
            raise Mismatch(f"unexpected {level}: {texts}")


def _check_value(command: Eval, result: Result) -> None:
    match result.value:
        case ScalarResult(value=value):
            if command.scalar is None or not almost_equal(command.scalar, value):
                raise Mismatch(f"{value} instead of {command.scalar}")
        case StringResult(value=text):
            if command.string != text:
                raise Mismatch(f"{text!r} instead of {command.string!r}")
        case VectorResult():
            _check_vector(command, result.value)
        case MatrixResult(series=series):
            start = command.matrix_start_ms if command.matrix_step_ms else command.start_ms
            _check_matrix(command.series, series, start, command.matrix_step_ms or command.step_ms or 1)


def _check_vector(command: Eval, vector: VectorResult) -> None:
    expected = [(line.labels, line.points[0]) for line in command.series if line.points]
    found = list(zip(vector.labels, vector.values.tolist(), strict=True))
    if not command.expects("ordered"):
        expected.sort(key=lambda pair: tuple(pair[0].items()))
        found.sort(key=lambda pair: tuple(pair[0].items()))
    if [labels for labels, _ in expected] != [labels for labels, _ in found]:
        raise Mismatch(
            f"{[str(labels) for labels, _ in found]} instead of {[str(each) for each, _ in expected]}"
        )
    for (labels, wanted), (_, value) in zip(expected, found, strict=True):
        if not isinstance(wanted, float) or not almost_equal(wanted, value):
            raise Mismatch(f"{labels} is {value} instead of {wanted}")


def _check_matrix(expected: Sequence[Line], found: Sequence[Series], start_ms: int, step_ms: int) -> None:
    wanted = {line.labels: _timed(line, start_ms, step_ms) for line in expected if line.points}
    wanted = {labels: points for labels, points in wanted.items() if points}
    got = {
        each.labels: dict(zip(each.timestamps.tolist(), each.values.tolist(), strict=True)) for each in found
    }
    if set(wanted) != set(got) or len(got) != len(found):
        raise Mismatch(f"{sorted(map(str, got))} instead of {sorted(map(str, wanted))}")
    for labels, points in wanted.items():
        values = got[labels]
        if points.keys() != values.keys():
            raise Mismatch(f"{labels} has values at {sorted(values)} instead of {sorted(points)}")
        for time, value in points.items():
            if not almost_equal(value, values[time]):
                raise Mismatch(f"{labels} at {time} is {values[time]} instead of {value}")


def _timed(line: Line, start_ms: int, step_ms: int) -> dict[int, float]:
    if NATIVE in line.points:
        raise BadScript("a native histogram among floats")
    return {
        start_ms + index * step_ms: point
        for index, point in enumerate(line.points)
        if isinstance(point, float)
    }


def _check_as_range(
    engine: Engine, source: MemorySource, query: Query, command: Eval, instant: Result
) -> None:
    """Raise unless the middle of three steps is what the instant query answered."""
    if query.kind not in {"scalar", "vector"} or _QUERY_BOUND.search(command.expression):
        return
    at = command.start_ms
    result = engine.range(query, source, at - 60_000, at + 60_000, 60_000)
    assert isinstance(result.value, MatrixResult)
    middle = {
        series.labels: float(series.values[index])
        for series in result.value.series
        for index in np.flatnonzero(series.timestamps == at).tolist()
    }
    match instant.value:
        case ScalarResult(value=value):
            wanted = {Labels(): value}
        case VectorResult(labels=labels, values=values):
            wanted = dict(zip(labels, values.tolist(), strict=True))
        case _:
            return
    if wanted.keys() != middle.keys() or not all(almost_equal(wanted[key], middle[key]) for key in wanted):
        raise Mismatch(f"as a step of a range it is {middle} instead of {wanted}")


def almost_equal(expected: float, value: float, epsilon: float = EPSILON) -> bool:
    """Compare as Prometheus does in its tests."""
    if math.isnan(expected) or math.isnan(value):
        return math.isnan(expected) and math.isnan(value)
    if expected == value:
        return True
    size, distance = abs(expected) + abs(value), abs(expected - value)
    if 0.0 in {expected, value} or size < 2.2250738585072014e-308:  # the smallest normal
        return distance < epsilon * 2.2250738585072014e-308
    return distance / min(size, 1.7976931348623157e308) < epsilon
