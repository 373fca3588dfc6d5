"""Dashboards as the JSON that Grafana loads: the same text for the same board, each time."""

from __future__ import annotations

from pathlib import Path
from typing import Final

from grafana_foundation_sdk.cog.encoder import JSONEncoder

from deploy.grafana.panels import Board

DASHBOARDS: Final = Path(__file__).parents[2] / "observability" / "dashboards"


def rendered(board: Board) -> str:
    """The JSON of a dashboard."""
    return JSONEncoder(sort_keys=True, indent=2).encode(board.build()) + "\n"
