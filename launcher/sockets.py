"""Folders for Unix sockets, whose paths the kernel keeps short."""

import os
import shutil
import sys
import tempfile
from pathlib import Path

from launcher.accounts import Account

# sockaddr_un.sun_path less its closing NUL: unix(7) on Linux, <sys/un.h> on macOS.
PATH_LIMIT = 103 if sys.platform == "darwin" else 107


class SocketFolder:
    """A private folder at `wanted`, or a short temporary one that `wanted` then links to.

    Short means that the path of a socket named `name` fits the kernel's limit.
    """

    def __init__(self, wanted: Path, name: str, owner: Account) -> None:
        self._wanted = wanted
        self._name = name
        self._owner = owner
        self.path = wanted

    def make(self) -> Path:
        """Make the folder anew: whatever a dead server left in it is removed. Returns its path."""
        self.remove()
        if len(os.fsencode(self._wanted / self._name)) <= PATH_LIMIT:
            self._wanted.mkdir(mode=0o700)
            self.path = self._wanted
        else:
            self.path = Path(tempfile.mkdtemp(prefix="tillmesh-"))
            self._wanted.symlink_to(self.path)
        self._owner.own(self.path)
        return self.path

    def remove(self) -> None:
        """Remove the folder and, where there is one, the link that remembers it."""
        if self._wanted.is_symlink():
            shutil.rmtree(self._wanted.readlink(), ignore_errors=True)
            self._wanted.unlink()
        else:
            shutil.rmtree(self._wanted, ignore_errors=True)
