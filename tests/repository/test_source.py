"""What must hold for our source as text: sizes, names, and where the outside is read."""

from __future__ import annotations

import ast
import statistics
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
ROOMS = ("servicekit", "services", "gateway", "launcher", "sandbox", "benchmarks")
MODULES = sorted(path for room in ROOMS for path in (ROOT / room).rglob("*.py"))
EVERYTHING = sorted([*MODULES, *(ROOT / "tests").rglob("*.py")])

MOST_LINES = 300
P90_LINES_OF_A_FUNCTION = 25
EMPTY_NAMES = {"utils", "helpers", "common", "misc", "base", "manager", "handlers", "core", "impl", "types"}


def _name(path: Path) -> str:
    return str(path.relative_to(ROOT))


@pytest.mark.parametrize("path", MODULES, ids=_name)
def test_a_module_is_small(path: Path) -> None:
    assert len(path.read_text().splitlines()) <= MOST_LINES


@pytest.mark.parametrize("path", MODULES, ids=_name)
def test_a_module_is_named_for_what_it_holds(path: Path) -> None:
    assert path.stem not in EMPTY_NAMES


@pytest.mark.parametrize("path", MODULES, ids=_name)
def test_a_module_says_what_it_owns(path: Path) -> None:
    assert ast.get_docstring(ast.parse(path.read_text()))


def test_functions_have_a_short_tail() -> None:
    lengths = [
        (node.end_lineno or node.lineno) - node.lineno + 1
        for path in MODULES
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
    ]

    assert statistics.quantiles(lengths, n=10)[-1] <= P90_LINES_OF_A_FUNCTION


@pytest.mark.parametrize("path", [p for p in MODULES if p.stem != "__main__"], ids=_name)
def test_the_environment_is_read_in_main_only(path: Path) -> None:
    names = {
        f"{node.value.id}.{node.attr}"
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name)
    }

    assert names.isdisjoint({"os.environ", "os.getenv", "os.putenv"})


@pytest.mark.parametrize("path", EVERYTHING, ids=_name)
def test_fakes_behave_and_are_not_mocked(path: Path) -> None:
    imported = {
        node.module if isinstance(node, ast.ImportFrom) else alias.name
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.Import | ast.ImportFrom)
        for alias in node.names
    }

    assert "unittest.mock" not in imported


def test_lock_file_names_no_address_and_hashes_everything() -> None:
    lock = (ROOT / "requirements.lock").read_text()
    pinned = [line for line in lock.splitlines() if line and line[0] not in " #"]

    assert "://" not in lock
    assert pinned
    assert all("==" in line and line.endswith("\\") for line in pinned)
