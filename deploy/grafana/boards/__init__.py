"""Every dashboard: a new one is a module here and a line below."""

from typing import Final

from deploy.grafana.boards import experiments, flags
from deploy.grafana.panels import Board

BOARDS: Final[tuple[Board, ...]] = (flags.BOARD, experiments.BOARD)
