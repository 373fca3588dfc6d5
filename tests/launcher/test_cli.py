"""The command line: help for every verb, one clear line for every fault."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from launcher.cli import run

VERBS = ["up", "status", "try", "logs", "down", "seed"]


@pytest.mark.parametrize("verb", VERBS)
def test_every_verb_explains_itself(verb: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        run([verb, "--help"], {})

    assert ended.value.code == 0
    assert capsys.readouterr().out.startswith(f"usage: tillmesh {verb}")


def test_the_exit_codes_are_documented(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        run(["--help"], {})

    assert "2 arguments or variables that make" in capsys.readouterr().out


@pytest.mark.parametrize(
    "arguments", [[], ["dance"], ["up", "--detach", "--quiet"], ["status", "--wait", "long"]]
)
def test_arguments_that_make_no_sense_end_with_2(
    arguments: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as ended:
        run(arguments, {})

    assert ended.value.code == 2


def test_a_bad_base_ends_with_2_and_one_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["up", "--port-base", "none"], {"TILLMESH_HOME": str(tmp_path)}) == 2

    assert capsys.readouterr().err.count("\n") == 1


def test_down_is_content_when_nothing_runs(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["down"], {"TILLMESH_HOME": str(tmp_path)}) == 0

    assert capsys.readouterr().out == f"Nothing runs on {tmp_path}.\n"


def test_a_reader_that_has_read_enough_is_no_fault(tmp_path: Path) -> None:
    (tmp_path / "logs").mkdir()
    (tmp_path / "logs" / "orders.log").write_text("a line\n" * 50_000)
    command = [sys.executable, "-m", "launcher", "logs", "-n", "50000"]

    with subprocess.Popen(
        command, env={"TILLMESH_HOME": str(tmp_path)}, stdout=subprocess.PIPE, stderr=subprocess.PIPE
    ) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        process.stdout.readline()
        process.stdout.close()
        complaints = process.stderr.read()

    assert (process.returncode, complaints) == (0, b"")


def test_asking_for_help_loads_no_driver() -> None:
    script = (
        "import sys, launcher.cli; print(sorted({'grpc', 'asyncpg', 'rich', 'asyncio'} & set(sys.modules)))"
    )

    loaded = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)

    assert loaded.stdout == "[]\n"


def test_a_supervisor_in_the_background_loads_no_grpc() -> None:
    script = "import sys, launcher.verbs.up; print(sorted({'grpc', 'rich'} & set(sys.modules)))"

    loaded = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)

    assert loaded.stdout == "[]\n"
