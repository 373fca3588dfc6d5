"""Other people's tools, against the same mesh that `tests/process` starts."""

from tests.process.conftest import collecting, collector, mesh, shared_mesh, start_mesh

__all__ = ["collecting", "collector", "mesh", "shared_mesh", "start_mesh"]
