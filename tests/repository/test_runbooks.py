"""Every alert has a runbook of four headings that say something, and every runbook an alert."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tests.repository.expressions import ROOT
from tests.repository.test_rules import ALERTS

RUNBOOKS = sorted((ROOT / "observability" / "runbooks").glob("*.md"))
HEADINGS = ["Meaning", "Impact", "Diagnosis", "Mitigation"]


def test_every_alert_has_a_runbook_and_every_runbook_an_alert() -> None:
    assert {file.stem for file in RUNBOOKS} == ALERTS.keys()


@pytest.mark.parametrize("file", RUNBOOKS, ids=lambda file: file.stem)
def test_a_runbook_has_its_headings_and_says_something_under_each(file: Path) -> None:
    text = file.read_text()
    sections = re.split(r"^## (.+)$", text, flags=re.MULTILINE)

    assert sections[0].strip() == f"# {file.stem}"
    assert sections[1::2] == HEADINGS
    assert all(len(section.split()) > 10 for section in sections[2::2])
