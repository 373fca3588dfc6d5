"""Prometheus's own promtool: our rules load in it, and alert when their unit tests say so."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

RULES = Path(__file__).parents[2] / "observability" / "rules"
FILES = sorted(RULES.glob("*.yml"))
UNIT_TESTS = sorted((RULES / "tests").glob("*.yml"))

pytestmark = [
    pytest.mark.proof,
    pytest.mark.skipif(
        shutil.which("promtool") is None, reason="promtool is not installed (Debian: prometheus)"
    ),
]


def promtool(*arguments: str | Path) -> tuple[int, str]:
    """The exit code of a run, and what it said."""
    command = ["promtool", *map(str, arguments)]
    run = subprocess.run(command, check=False, capture_output=True, text=True, timeout=100)
    return run.returncode, run.stdout + run.stderr


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.name)
def test_promtool_accepts_the_rules(file: Path) -> None:
    code, said = promtool("check", "rules", "--lint-fatal", file)

    assert code == 0, said


@pytest.mark.parametrize("file", UNIT_TESTS, ids=lambda file: file.name)
def test_promtool_sees_each_alert_fire_and_keep_silent(file: Path) -> None:
    code, said = promtool("test", "rules", file)

    assert code == 0, said


def test_every_file_of_rules_has_unit_tests() -> None:
    assert [file.name for file in FILES] == [file.name for file in UNIT_TESTS]


def test_control_a_threshold_that_is_off_fails_its_unit_test(tmp_path: Path) -> None:
    (tmp_path / "tests").mkdir()
    rules = (RULES / "business.yml").read_text().replace("> 0.25", "> 0.45")
    (tmp_path / "business.yml").write_text(rules)
    unit_test = shutil.copy(RULES / "tests" / "business.yml", tmp_path / "tests")

    code, said = promtool("test", "rules", unit_test)

    assert code != 0
    assert "OrderFailureRateHigh" in said
