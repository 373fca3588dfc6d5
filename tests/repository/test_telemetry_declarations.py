"""Every metric is declared once, emitted by someone, and read by someone; nothing else is emitted."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from prometheus_client import generate_latest
from prometheus_client.parser import text_string_to_metric_families

from servicekit.declarations import Bounded, Declaration, declared, read
from servicekit.instruments import Instruments

ROOT = Path(__file__).parents[2]
TELEMETRY = ROOT / "observability" / "telemetry"
FILES = sorted(TELEMETRY.glob("*.yaml"))
ROOMS = ("servicekit", "services", "gateway", "launcher", "sandbox")
SHARED = "servicekit"

KINDS = ("counter", "gauge", "histogram")
PROMISED_READER = re.compile(r"issue:\d+|(console|api):\S+")
"""A reader that is not built yet, or that has no file of its own here."""


@dataclass(frozen=True)
class Use:
    """One place where source asks for an instrument; `name` is empty when it is no literal."""

    owner: str
    kind: str
    name: str
    place: str


def uses_in(source: str, owner: str, place: str = "source") -> Iterator[Use]:
    """Calls such as `instruments.counter("orders_total")`, whatever comes before `instruments`."""
    for node in ast.walk(ast.parse(source)):
        if not (
            isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr in KINDS
        ):
            continue
        receiver = node.func.value
        named = receiver.attr if isinstance(receiver, ast.Attribute) else getattr(receiver, "id", "")
        if not named.endswith("instruments"):
            continue
        argument = node.args[0] if node.args else None
        name = argument.value if isinstance(argument, ast.Constant) else ""
        yield Use(owner, node.func.attr, str(name), f"{place}:{node.lineno}")


def uses() -> list[Use]:
    modules = [path for room in ROOMS for path in sorted((ROOT / room).rglob("*.py"))]
    return [
        use
        for path in modules
        for use in uses_in(path.read_text(), owner_of(path), str(path.relative_to(ROOT)))
    ]


def owner_of(path: Path) -> str:
    """Whose declarations a module may use: those of its service, or of its room."""
    room, *rest = path.relative_to(ROOT).parts
    return rest[0] if room == "services" else room


def undeclared(found: list[Use], declarations: dict[str, dict[str, Declaration]]) -> list[str]:
    """Uses of what the user's declarations do not have, or have as another type."""
    return [
        f"{use.place}: {use.kind} {use.name or '(no literal)'}"
        for use in found
        if use.name not in declarations.get(use.owner, {})
        or declarations[use.owner][use.name].type != use.kind
    ]


def unused(found: list[Use], by_file: dict[str, list[Declaration]]) -> list[str]:
    """Declarations that no source asks for: those of servicekit anywhere, others in their own service."""
    return [
        f"{owner}.yaml: {one.name}"
        for owner, declarations in by_file.items()
        for one in declarations
        if not any(use.name == one.name and owner in (SHARED, use.owner) for use in found)
    ]


def has_reader(user: str) -> bool:
    """True when what reads a metric is a file of ours, or is promised in a form that can be looked up."""
    return bool(PROMISED_READER.fullmatch(user)) or (ROOT / user.partition("#")[0]).is_file()


def declarations_of_all() -> dict[str, dict[str, Declaration]]:
    return {
        owner: declared(owner, TELEMETRY) for owner in {use.owner for use in uses()} | {f.stem for f in FILES}
    }


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.name)
def test_a_file_of_declarations_is_right(file: Path) -> None:
    assert read(file)


def test_only_declared_metrics_are_asked_for() -> None:
    assert undeclared(uses(), declarations_of_all()) == []


def test_every_declared_metric_is_emitted_by_someone() -> None:
    assert unused(uses(), {file.stem: read(file) for file in FILES}) == []


def test_every_declared_metric_is_read_by_someone() -> None:
    unread = [f"{file.name}: {one.name}" for file in FILES for one in read(file) if not has_reader(one.user)]

    assert unread == []


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.name)
def test_a_process_emits_what_is_declared_and_nothing_else(file: Path) -> None:
    instruments = Instruments(file.stem, folder=TELEMETRY)
    for one in instruments.declarations.values():
        measure(instruments, one)

    families = text_string_to_metric_families(generate_latest(instruments.registry).decode())

    emitted = {
        family.name + "_total" * (family.type == "counter"): {
            label for sample in family.samples for label in sample.labels if label != "le"
        }
        for family in families
    }
    assert emitted == {one.name: set(one.labels) for one in instruments.declarations.values()}


def measure(instruments: Instruments, one: Declaration) -> None:
    labels = {
        label: "some" if isinstance(values, Bounded) else values[0] for label, values in one.labels.items()
    }
    match one.type:
        case "counter":
            instruments.counter(one.name).labels(**labels).inc()
        case "gauge":
            instruments.gauge(one.name).labels(**labels).set(1)
        case "histogram":
            instruments.histogram(one.name).labels(**labels).observe(1)


def test_a_metric_that_is_emitted_undeclared_would_be_found() -> None:
    source = (
        'kit.instruments.counter("bugs_total")\ninstruments.gauge("crashes_total")\ninstruments.counter(name)'
    )

    found = list(uses_in(source, "auth"))

    assert undeclared(found, {"auth": declared("auth", TELEMETRY)}) == [
        "source:1: counter bugs_total",
        "source:2: gauge crashes_total",
        "source:3: counter (no literal)",
    ]


def test_a_metric_that_nobody_emits_would_be_found() -> None:
    shared = read(TELEMETRY / "servicekit.yaml")
    found = [use for use in uses() if use.name != "crashes_total"]

    assert "servicekit.yaml: crashes_total" in unused(found, {SHARED: shared})


def test_a_metric_without_a_reader_would_be_found() -> None:
    assert not has_reader("somebody")
    assert not has_reader("observability/dashboards/none.json")
    assert has_reader("observability/telemetry/servicekit.yaml#crashes_total")
