"""Every dashboard: a new one is a module here and a line below."""

from typing import Final

from deploy.grafana.boards import experiments, flags, offline, payments
from deploy.grafana.panels import Board

BOARDS: Final[tuple[Board, ...]] = (payments.BOARD, offline.BOARD, flags.BOARD, experiments.BOARD)
