"""The status of a mesh as a table for people."""

from __future__ import annotations

from rich.table import Table

from launcher.health import SERVING
from launcher.observation import MeshStatus, Observation
from launcher.records import ProcessState

_MIB = 1024 * 1024
_COLOURS = {True: "green", False: "yellow"}


def table(status: MeshStatus) -> Table:
    """Every process in a row, and the sum of their memory."""
    total = sum(process.memory_bytes for process in status.processes)
    shown = Table("process", "state", "health", "ports", show_footer=True)
    shown.add_column("memory", footer=_mebibytes(total), justify="right")
    shown.add_column("restarts", justify="right")
    shown.add_column("up", justify="right")
    for process in status.processes:
        shown.add_row(
            process.name,
            process.state,
            health_summary(process),
            ", ".join(f"{purpose} {number}" for purpose, number in process.ports.items()),
            _mebibytes(process.memory_bytes),
            str(process.restarts),
            _duration(process.uptime_seconds),
            style=_COLOURS[process.is_ready],
        )
    return shown


def health_summary(process: Observation) -> str:
    """`ready`, or each name that does not serve."""
    if process.state is not ProcessState.RUNNING:
        return ""
    failing = [f"{name or 'server'} {status}" for name, status in process.health.items() if status != SERVING]
    return ", ".join(failing) or "ready"


def _mebibytes(count: int) -> str:
    return f"{count / _MIB:.0f} MB" if count else ""


def _duration(seconds: float) -> str:
    minutes, rest = divmod(int(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}"
