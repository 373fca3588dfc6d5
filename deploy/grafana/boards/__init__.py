"""Every dashboard: a new one is a module here and a line below."""

from typing import Final

from deploy.grafana.boards import business, compliance, experiments, flags, inventory, offline, payments
from deploy.grafana.panels import Board

BOARDS: Final[tuple[Board, ...]] = (
    business.BOARD,
    payments.BOARD,
    inventory.BOARD,
    compliance.BOARD,
    offline.BOARD,
    flags.BOARD,
    experiments.BOARD,
)
