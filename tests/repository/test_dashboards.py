"""Dashboards are what their source says, and no panel of them is dead."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from deploy.grafana.boards import BOARDS
from deploy.grafana.panels import Board
from deploy.grafana.rendering import DASHBOARDS as FOLDER
from deploy.grafana.rendering import rendered
from services.monitoring.promql import Engine
from tests.repository.expressions import DASHBOARDS, ROOT, declarations, vocabulary


def panels(file: Path) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = json.loads(file.read_text())["panels"]
    return found


def queries(file: Path) -> Iterator[tuple[str, str]]:
    for panel in panels(file):
        yield from ((panel["title"], target["expr"]) for target in panel["targets"])


@pytest.mark.parametrize("board", BOARDS, ids=lambda board: board.name)
def test_a_dashboard_is_what_its_source_says(board: Board) -> None:
    committed = (FOLDER / f"{board.name}.json").read_text()

    assert committed == rendered(board), "run python -m deploy.grafana"


def test_every_dashboard_has_a_source() -> None:
    assert {file.stem for file in DASHBOARDS} == {board.name for board in BOARDS}


@pytest.mark.parametrize("file", DASHBOARDS, ids=lambda file: file.stem)
def test_no_panel_is_dead(file: Path) -> None:
    words = vocabulary()

    dead = [f"{title}: {fault}" for title, expr in queries(file) for fault in words.faults(expr)]

    assert dead == []


@pytest.mark.parametrize("file", DASHBOARDS, ids=lambda file: file.stem)
def test_our_own_engine_takes_every_expression(file: Path) -> None:
    engine = Engine()

    assert all(engine.parse(expr) for _, expr in queries(file))


def test_what_a_metric_names_as_its_reader_reads_it() -> None:
    named = [one for one in declarations() if one.user.startswith("observability/")]

    assert [one.name for one in named if one.name not in (ROOT / one.user).read_text()] == []


@pytest.mark.parametrize("file", DASHBOARDS, ids=lambda file: file.stem)
def test_every_panel_says_what_it_tells_and_asks_for_something(file: Path) -> None:
    silent = [panel["title"] for panel in panels(file) if not (panel["description"] and panel["targets"])]

    assert silent == []


@pytest.mark.parametrize("file", DASHBOARDS, ids=lambda file: file.stem)
def test_a_dashboard_shows_itself_by_one_name_and_refreshes(file: Path) -> None:
    document = json.loads(file.read_text())

    assert document["uid"] == f"tillmesh-{file.stem}"
    assert document["refresh"] == "10s"
    assert len({panel["id"] for panel in document["panels"]}) == len(document["panels"])
