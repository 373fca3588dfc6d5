"""Folders for Unix sockets, whose paths the kernel keeps short."""

import os
import shutil
import stat
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
        """Make the folder, without what a dead server left in it. Returns its path.

        A temporary one stays the same for as long as it stands: clients were told its path.
        """
        if self._stands_elsewhere():
            self.path = self._wanted.readlink()
            for left in self.path.iterdir():
                left.unlink()
            return self.path
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

    def _stands_elsewhere(self) -> bool:
        """Whether there is a temporary folder, and nobody put another in its place."""
        if not self._wanted.is_symlink() or not self._wanted.readlink().is_dir():
            return False
        status = self._wanted.readlink().lstat()
        return stat.S_ISDIR(status.st_mode) and status.st_uid == self._owner.uid
