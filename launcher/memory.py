"""How much memory a process takes, with its children: a database is many processes.

On Linux the proportional set size: a page that several processes share counts in
each for its share, so that sums mean something. Elsewhere the unique set size.
"""

from __future__ import annotations

import sys
from pathlib import Path

import psutil

_KIB = 1024


def tree_bytes(pid: int) -> int:
    """The memory of a process and all below it; of what ends meanwhile, nothing."""
    try:
        root = psutil.Process(pid)
        family = [root, *root.children(recursive=True)]
    except psutil.NoSuchProcess:
        return 0
    return sum(_bytes(process) for process in family)


def own_bytes(pid: int) -> int:
    """The memory of one process, without those below it."""
    try:
        return _bytes(psutil.Process(pid))
    except psutil.NoSuchProcess:
        return 0


def _bytes(process: psutil.Process) -> int:
    try:
        return _proportional(process.pid) if sys.platform == "linux" else int(process.memory_full_info().uss)
    except (FileNotFoundError, ProcessLookupError, psutil.NoSuchProcess):
        return 0
    except (PermissionError, psutil.AccessDenied):
        return _resident(process)


def _resident(process: psutil.Process) -> int:
    """Resident set size: the best that a process tells to strangers."""
    try:
        return int(process.memory_info().rss)
    except psutil.NoSuchProcess:
        return 0


def _proportional(pid: int) -> int:
    """`Pss` of proc_pid_smaps_rollup(5)."""
    for line in Path(f"/proc/{pid}/smaps_rollup").read_text(encoding="ascii").splitlines():
        if line.startswith("Pss:"):
            return int(line.split()[1]) * _KIB
    return 0
