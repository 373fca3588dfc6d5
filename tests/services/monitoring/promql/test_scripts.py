"""What the language means: scripts of our own, in the format of Prometheus's test files."""

from pathlib import Path

import pytest

from tests.real.promqltest.running import Verdict, run_file

SCRIPTS = sorted((Path(__file__).parent / "scripts").glob("*.test"))


@pytest.mark.parametrize("script", SCRIPTS, ids=lambda script: script.stem)
def test_every_eval_of_a_script_passes(script: Path) -> None:
    outcomes = list(run_file(script))

    assert len(outcomes) > 10
    assert [each for each in outcomes if each.verdict is not Verdict.PASSED] == []


def test_a_wrong_expectation_is_noticed(tmp_path: Path) -> None:
    script = tmp_path / "wrong.test"
    script.write_text("load 1m\n  x 1 2\n\neval instant at 1m x\n  x 3\n\neval instant at 0m sum(x)\n")

    assert [each.verdict for each in run_file(script)] == [Verdict.FAILED, Verdict.FAILED]
