"""Every flag that the code knows is in the flag file, and every flag there is known to the code."""

from __future__ import annotations

import json
import re
from pathlib import Path

from servicekit.flags import FLAGS

ROOT = Path(__file__).parents[2]
NAME = re.compile(r'^[A-Z_]+: Final = "([a-z]+(?:-[a-z]+)+)"$', re.MULTILINE)
"""How a use case names a flag: a constant of its module."""


def known() -> set[str]:
    modules = (ROOT / "services").glob("*/usecases/**/*.py")
    return {name for module in modules for name in NAME.findall(module.read_text())}


def test_the_code_and_the_flag_file_know_the_same_flags() -> None:
    assert known() == json.loads(FLAGS.read_text())["flags"].keys()


def test_every_flag_says_whose_it_is_and_what_it_does() -> None:
    for flag in json.loads(FLAGS.read_text())["flags"].values():
        assert (ROOT / "services" / flag["metadata"]["owner"]).is_dir()
        assert flag["metadata"]["description"]
