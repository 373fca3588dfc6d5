"""Prometheus's own test files, where they are: at least 99 % of the float evals of each."""

import os
from collections import Counter
from pathlib import Path

import pytest

from tests.real.promqltest.__main__ import score, script_files
from tests.real.promqltest.running import Verdict, run_file

FOLDER = Path(os.environ.get("PROMQLTEST_DIR", Path(__file__).parents[4] / "shared" / "promqltest"))
FILES = script_files([FOLDER]) if FOLDER.is_dir() else []

pytestmark = [
    pytest.mark.proof,
    pytest.mark.skipif(not FILES, reason=f"needs Prometheus's test files in {FOLDER} (or PROMQLTEST_DIR)"),
]


@pytest.mark.parametrize("file", FILES or [Path("absent.test")], ids=lambda file: file.stem)
def test_our_promql_is_promql(file: Path) -> None:
    outcomes = list(run_file(file))

    print(file.name, dict(Counter(outcome.verdict.value for outcome in outcomes)))
    failures = [
        f"{outcome.path}:{outcome.command.line}: {outcome.command.expression}: {outcome.reason}"
        for outcome in outcomes
        if outcome.verdict is Verdict.FAILED
    ]
    assert score(outcomes) >= 0.99, "\n".join(failures)
