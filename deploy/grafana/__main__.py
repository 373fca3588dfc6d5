"""Remake the committed dashboards: `python -m deploy.grafana [folder]`."""

import sys
from pathlib import Path

from deploy.grafana.boards import BOARDS
from deploy.grafana.rendering import DASHBOARDS, rendered

if __name__ == "__main__":
    folder = Path(sys.argv[1]) if len(sys.argv) > 1 else DASHBOARDS
    for board in BOARDS:
        (folder / f"{board.name}.json").write_text(rendered(board), encoding="utf-8")
