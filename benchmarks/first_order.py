"""Seconds from a fresh clone to a paid order, and from a later start to another.

Packages come from wherever pip is told to look, without a cache: a slow registry
shows in the first figure.
"""

from __future__ import annotations

import time
from collections.abc import Mapping

from benchmarks.mesh import Mesh, fresh_clone, state

ASKED_FIRST_SECONDS = 180
ASKED_LATER_SECONDS = 10


def run(environ: Mapping[str, str]) -> None:
    """Clone, set up, start, order; stop; start, order."""
    with fresh_clone() as tree, state(tree, {**environ, "PIP_NO_CACHE_DIR": "1"}) as mesh:
        began = time.perf_counter()
        mesh.run("make", "setup")
        setup = time.perf_counter() - began
        first = setup + _to_a_paid_order(mesh)
        mesh.tillmesh("down")
        later = _to_a_paid_order(mesh)
    print(f"  first: {first:.1f} s, of which set-up {setup:.1f} s (asked: under {ASKED_FIRST_SECONDS})")
    print(f"  later: {later:.1f} s (asked: under {ASKED_LATER_SECONDS})")


def _to_a_paid_order(mesh: Mesh) -> float:
    began = time.perf_counter()
    mesh.tillmesh("up", "--detach")
    mesh.tillmesh("try")
    return time.perf_counter() - began
