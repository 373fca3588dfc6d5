"""Memory of everything that `make up` starts, databases included, at rest."""

from __future__ import annotations

import time
from collections.abc import Mapping

from benchmarks.mesh import ROOT, state

ASKED_MB = 700
AIM_MB = 600
SETTLE_SECONDS = 20
MB = 1_000_000


def run(environ: Mapping[str, str]) -> None:
    """Start a mesh, place an order, let it rest, and sum the proportional set sizes."""
    with state(ROOT, environ) as mesh:
        mesh.tillmesh("up", "--detach")
        mesh.tillmesh("try")
        time.sleep(SETTLE_SECONDS)
        processes = mesh.status()["processes"]
    for process in processes:
        print(f"  {process['name']:<12} {process['memory_bytes'] / MB:7.1f} MB")
    total = sum(process["memory_bytes"] for process in processes) / MB
    print(f"  together     {total:7.1f} MB (asked: under {ASKED_MB}; aim {AIM_MB})")
