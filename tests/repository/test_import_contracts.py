"""Each import contract, broken on purpose: one that cannot fail protects nothing."""

from __future__ import annotations

import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
ROOMS = ("servicekit", "services", "gateway", "launcher", "sandbox", "benchmarks", "tests")

CRIMES = {
    "servicekit/clock.py": "import services.auth.model",
    "services/auth/main.py": "import services.orders.model",
    "services/payments/main.py": "import sandbox.server",
    "services/auth/utils.py": "",
    "services/orders/ports.py": "import grpc",
    "services/monitoring/helpers.py": "",
    "services/monitoring/mesh/__init__.py": "import grpc",
    "services/monitoring/servicer.py": "import services.monitoring.mesh.model",
}
"""A line added to a module, or a module that must not be; each breaks one contract."""


def linted(tree: Path) -> str:
    linter = Path(sys.executable).with_name("lint-imports")
    done = subprocess.run(
        [linter, "--no-cache", "--config", "pyproject.toml"],
        check=False,
        cwd=tree,
        env={"COLUMNS": "300", "PYTHONPATH": f"{tree}:{tree / 'gen'}", "PATH": str(linter.parent)},
        capture_output=True,
        text=True,
        timeout=100,
    )
    return done.stdout + done.stderr


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    """Our packages, in a tree that may be spoiled."""
    for room in (*ROOMS, "gen"):
        shutil.copytree(ROOT / room, tmp_path / room, ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(ROOT / "pyproject.toml", tmp_path)
    return tmp_path


def test_every_contract_notices_when_it_is_broken(copy: Path) -> None:
    contracts = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["importlinter"]["contracts"]
    for path, line in CRIMES.items():
        with (copy / path).open("a") as module:
            module.write(f"\n{line}\n")

    said = linted(copy)

    kept = [contract["name"] for contract in contracts if f"{contract['name']} BROKEN" not in said]
    assert kept == [], said


def test_control_nothing_is_broken_as_it_is(copy: Path) -> None:
    assert "0 broken" in linted(copy)
