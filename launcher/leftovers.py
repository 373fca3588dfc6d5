"""Processes that a supervisor left behind: it was killed, or the machine was too quick for it.

They are known from its file, each by pid and start. On Linux they end by
themselves, being tethered; databases, and everything elsewhere, are ended here.
"""

from __future__ import annotations

from launcher.files import StateFiles
from launcher.identity import end, outlasting
from launcher.records import STORES, SUPERVISOR, read_records

_GRACE_SECONDS = 25.0
_LAST_SECONDS = 5.0


def stop_leftovers(files: StateFiles) -> list[str]:
    """Stop them, stores last; the names of those that ran. The supervisor must be gone."""
    left = [
        record for record in read_records(files.processes) if record.name != SUPERVISOR and record.is_alive
    ]
    for are_stores in (False, True):
        identities = [
            record.identity
            for record in left
            if record.identity is not None and (record.name in STORES) is are_stores
        ]
        outlasting(end(identities, _GRACE_SECONDS), _LAST_SECONDS)
    files.processes.unlink(missing_ok=True)
    return [record.name for record in left]
