"""A mesh for measuring: a fresh clone or this tree, started by its own `tillmesh` command."""

from __future__ import annotations

import json
import shutil
import subprocess
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[1]
PORT_BASE = 27_000


@dataclass(frozen=True)
class Mesh:
    """One tree and one state directory.

    Attributes:
        tree: Where its `.venv` stands.
        environ: With its state directory and ports.
    """

    tree: Path
    environ: Mapping[str, str]

    def tillmesh(self, *words: str) -> str:
        """What one subcommand printed; raises when it failed."""
        return self.run(str(self.tree / ".venv/bin/tillmesh"), *words)

    def run(self, *command: str) -> str:
        """What a command printed, run in the tree; raises when it failed."""
        done = subprocess.run(
            command, check=False, cwd=self.tree, env=dict(self.environ), capture_output=True, text=True
        )
        if done.returncode:
            raise RuntimeError(f"{' '.join(command)} exited {done.returncode}\n{done.stdout}{done.stderr}")
        return done.stdout

    def status(self) -> dict[str, Any]:
        """`tillmesh status --json`."""
        answered: dict[str, Any] = json.loads(self.tillmesh("status", "--json"))
        return answered


@contextmanager
def state(tree: Path, environ: Mapping[str, str]) -> Iterator[Mesh]:
    """A mesh with an empty state directory, down and removed at the end."""
    home = Path(tempfile.mkdtemp(prefix="tillmesh-bench-"))
    home.chmod(0o711)  # run by root, PostgreSQL is another user
    told = {"TILLMESH_HOME": str(home), "TILLMESH_PORT_BASE": str(PORT_BASE)}
    mesh = Mesh(tree, {**environ, **told})
    try:
        yield mesh
    finally:
        if (tree / ".venv/bin/tillmesh").exists():
            mesh.tillmesh("down")
        shutil.rmtree(home, ignore_errors=True)


@contextmanager
def fresh_clone() -> Iterator[Path]:
    """A clone of what is committed, in a directory of its own."""
    work = Path(tempfile.mkdtemp(prefix="tillmesh-clone-"))
    work.chmod(0o711)  # as above
    try:
        subprocess.run(["git", "clone", "-q", str(ROOT), str(work / "tillmesh")], check=True)
        yield work / "tillmesh"
    finally:
        shutil.rmtree(work, ignore_errors=True)
